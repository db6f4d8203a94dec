/**
 * How a global limit stands in the buckets of the rate limit quota service and in the descriptors of the rate limit
 * service, between pilot, which writes them, and mixer, which reads them.
 */

/** The domain of both services. */
export const quotaDomain = 'heddle';

/** `REQUESTS/INTERVAL/BURST`, such as `100/1000ms/200`. */
export type LimitText = string;

export interface RateLimitNumbers {
  readonly requests: number;
  readonly intervalMs: number;
  /** Not less than requests. */
  readonly burst: number;
}

export function formatLimit({ requests, intervalMs, burst }: RateLimitNumbers): LimitText {
  return `${requests}/${intervalMs}ms/${burst}`;
}

const form = /^([1-9]\d{0,9})\/([1-9]\d{0,11})ms\/([1-9]\d{0,9})$/;

/** Undefined when `text` is of another form. */
export function parseLimit(text: LimitText): RateLimitNumbers | undefined {
  const [, requests, intervalMs, burst] = (form.exec(text) ?? []).map(Number);
  if (requests === undefined || intervalMs === undefined || burst === undefined || burst < requests) return undefined;
  return { requests, intervalMs, burst };
}

/** Keys of a descriptor's entries for strangers, in this order. */
export const limitKeys = { name: 'rate_limit', numbers: 'limit', mode: 'mode' } as const;

/** What sidecars report in steps of; also how long a slice is made for. */
export const reportingIntervalMs = 200;
