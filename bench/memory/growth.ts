/** What samples of a soak say. Pure. */

export interface MemorySample {
  /** Answered since the process started. */
  readonly requests: number;
  readonly rssBytes: number;
}

/** What a process may grow by in the second half of a soak and still be called flat: noise of its allocator. */
const flatBytes = 8 * 1_024 * 1_024;

export interface Growth {
  /** Largest of the first half, of the second half, and what is between them. */
  readonly firstHalfBytes: number;
  readonly secondHalfBytes: number;
  readonly growthBytes: number;
  readonly isFlat: boolean;
}

/** Compares the peaks of both halves, of two samples or more: a heap that is collected now and then goes up and down. */
export function growthOf(samples: readonly MemorySample[]): Growth {
  const middle = Math.floor(samples.length / 2);
  const peak = (half: readonly MemorySample[]): number => Math.max(...half.map(({ rssBytes }) => rssBytes));
  const firstHalfBytes = peak(samples.slice(0, middle));
  const secondHalfBytes = peak(samples.slice(middle));
  const growthBytes = secondHalfBytes - firstHalfBytes;
  return { firstHalfBytes, secondHalfBytes, growthBytes, isFlat: growthBytes <= flatBytes };
}
