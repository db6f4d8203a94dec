/** How certain a counted share is. */

/** The exact one-sided upper 95 % bound of a share of which `hits` of `trials` were counted (Clopper-Pearson). */
export function upperShare(hits: number, trials: number): number {
  if (hits >= trials) return 1;
  let low = hits / trials;
  let high = 1;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (atMost(hits, trials, middle) > 0.05) low = middle;
    else high = middle;
  }
  return high;
}

/** P(at most `hits` of `trials`). */
function atMost(hits: number, trials: number, share: number): number {
  const logOdds = Math.log(share) - Math.log1p(-share);
  let log = trials * Math.log1p(-share);
  let sum = Math.exp(log);
  for (let k = 1; k <= hits; k++) {
    log += Math.log((trials - k + 1) / k) + logOdds;
    sum += Math.exp(log);
  }
  return sum;
}

/** The value that this share of `values` is below or at. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** A quantile, as a cell of a table. */
export function formatSeconds(seconds: readonly number[], share: number): string {
  return seconds.length === 0 ? '-' : String(quantile(seconds, share));
}

export function formatShare(hits: number, trials: number): string {
  return `${percent(hits / trials)} (${hits} of ${trials}, upper 95 % ${percent(upperShare(hits, trials))})`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
