/** Sums of numbers that are known by their logarithms: evidence grows and shrinks by hundreds of orders of magnitude. */

/** ln(e^a + e^b). */
export function logAdd(a: number, b: number): number {
  const high = Math.max(a, b);
  return high === -Infinity ? high : high + Math.log1p(Math.exp(Math.min(a, b) - high));
}

/** ln of the sum of e^x over all `logs`; -Infinity when there are none. */
export function logSumExp(logs: readonly number[]): number {
  let high = -Infinity;
  for (const log of logs) if (log > high) high = log;
  if (high === -Infinity) return high;
  let sum = 0;
  for (const log of logs) sum += Math.exp(log - high);
  return high + Math.log(sum);
}

/** ln of the mean. */
export function logMeanExp(logs: readonly number[]): number {
  return logSumExp(logs) - Math.log(logs.length);
}

/** e^log, and the greatest number where that is too much: JSON has no Infinity. */
export function finiteExp(log: number): number {
  return Math.min(Math.exp(log), Number.MAX_VALUE);
}
