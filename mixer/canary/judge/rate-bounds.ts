/**
 * Bounds of a rate that hold at every look at once: the confidence sequence of a Bernoulli rate by the mixture with
 * Beta(½, ½) (Robbins 1970). They are what can be known where nobody fails and no ratio exists.
 */

export interface RateBounds {
  readonly lower: number;
  readonly upper: number;
}

/** Of `events` in `requests`, each end missed with probability α at most. Nothing is known of no requests: 0 to 1. */
export function rateBounds({ events, requests }: { events: number; requests: number }, alpha: number): RateBounds {
  if (!(requests > 0)) return { lower: 0, upper: 1 };
  const failures = Math.min(events, requests);
  const successes = requests - failures;
  const evidence = logBeta(0.5 + failures, 0.5 + successes) - logBeta(0.5, 0.5) - Math.log(1 / alpha);
  const isPossible = (rate: number): boolean => evidence < logPower(rate, failures) + logPower(1 - rate, successes);
  const mean = failures / requests;
  return {
    lower: failures === 0 ? 0 : bisect(mean, 0, isPossible),
    upper: successes === 0 ? 1 : bisect(mean, 1, isPossible),
  };
}

/** The end, on the far side, of what is possible between `inside` and `outside`. */
function bisect(inside: number, outside: number, isPossible: (rate: number) => boolean): number {
  let near = inside;
  let far = outside;
  for (let i = 0; i < 40; i += 1) {
    const middle = (near + far) / 2;
    if (isPossible(middle)) near = middle;
    else far = middle;
  }
  return far;
}

function logPower(base: number, exponent: number): number {
  return exponent === 0 ? 0 : exponent * Math.log(base);
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Stirling's series, shifted to where it is exact to 1e-10. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  for (; z < 8; z += 1) shift += Math.log(z);
  const inverse = 1 / (z * z);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / z;
  return (z - 0.5) * Math.log(z) - z + Math.log(2 * Math.PI) / 2 + series - shift;
}
