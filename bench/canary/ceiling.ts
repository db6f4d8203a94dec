/**
 * What no judge can do better, for S2: a canary with ten times the errors, 100 requests/s, 10 % of them, 30 looks. Errors of
 * a look are Poisson; the law of the bets is that of `share-bets.ts`.
 */

const canaryErrorsPerLook = 0.5;
const primaryErrorsPerLook = 0.45;
const share = 0.1;
const looks = 30;
const perLook = canaryErrorsPerLook + primaryErrorsPerLook;
/** Of an error, to be the canary's. */
const probability = canaryErrorsPerLook / perLook;
const mostErrors = 6;

/**
 * The chance that bets on the share of errors reach the goal 1/alpha within the 30 looks, when every stake is the best one,
 * the ratio is known and nothing is kept for later: by dynamic programming over the wealth.
 */
export function bestBets(alpha: number, { points = 200, stakes = 25 } = {}): number {
  const least = 1e-6;
  const wealth = Array.from({ length: points + 1 }, (_, i) => least ** (1 - i / points));
  let chances: readonly number[] = wealth.map((_, i) => (i === points ? 1 : 0));
  const chanceAt = (of: number): number => {
    if (of >= 1 - 1e-12) return 1;
    if (of <= least) return 0;
    const position = points * (1 - Math.log(of) / Math.log(least));
    const i = Math.floor(position);
    return (chances[i] ?? 0) * (i + 1 - position) + (chances[i + 1] ?? 1) * (position - i);
  };
  const bestAt = (of: number, law: readonly number[]): number => {
    let best = 0;
    for (let i = 0; i <= stakes; i++) {
      const stake = i / stakes / share;
      const sum = law.reduce(
        (total, p, c) => total + p * chanceAt(of * (1 + stake * (c / (law.length - 1) - share))),
        0,
      );
      best = Math.max(best, sum);
    }
    return best;
  };
  const laws = Array.from({ length: mostErrors }, (_, i) => binomialLaw(i + 1, probability));
  for (let look = 0; look < looks; look++) {
    chances = wealth.map((of, i) =>
      i === points
        ? 1
        : laws.reduce(
            (sum, law) => sum + poisson(law.length - 1, perLook) * bestAt(of, law),
            poisson(0, perLook) * chanceAt(of),
          ),
    );
  }
  return chanceAt(alpha);
}

/** The chance that a test of independent errors, made once after the 30 looks, finds the canary worse at the level alpha. */
export function powerOfOneTest(alpha: number): number {
  let power = 0;
  for (let errors = 0; errors < 100; errors++) {
    const same = binomialLaw(errors, share);
    const worse = binomialLaw(errors, probability);
    let left = alpha;
    for (let c = errors; c >= 0 && left > 0; c--) {
      const part = Math.min(1, left / (same[c] ?? 1));
      power += poisson(errors, perLook * looks) * part * (worse[c] ?? 0);
      left -= same[c] ?? 1;
    }
  }
  return power;
}

function binomialLaw(trials: number, p: number): number[] {
  const law = [(1 - p) ** trials];
  for (let k = 1; k <= trials; k++) law.push(((law[k - 1] ?? 0) * (trials - k + 1) * p) / (k * (1 - p)));
  return law;
}

function poisson(events: number, mean: number): number {
  let probabilityOf = Math.exp(-mean);
  for (let i = 1; i <= events; i++) probabilityOf *= mean / i;
  return probabilityOf;
}
