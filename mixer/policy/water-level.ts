/**
 * Max-min fairness: the level up to which all wants can be met, so that no want above it gets more than another. Infinite
 * when all of them can be met entirely.
 */
export function waterLevel(wants: readonly number[], available: number): number {
  const ascending = wants.toSorted((a, b) => a - b);
  let left = available;
  for (const [i, want] of ascending.entries()) {
    const part = left / (ascending.length - i);
    if (want > part) return part;
    left -= want;
  }
  return Number.POSITIVE_INFINITY;
}
