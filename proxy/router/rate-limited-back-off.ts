/** Pure: how long an upstream that limits its rate asks to be left alone (`rate_limited_retry_back_off`). */
import type { RateLimitedRetryBackOff, ResetHeader } from '../api/retry-policy.ts';
import { HeaderName } from '../http/header-name.ts';
import type { ResponseHead } from '../http/message-head.ts';

/**
 * Milliseconds from the first reset header that holds a time within the limit; undefined without one. `nowMs`: the time
 * of day in Unix milliseconds. Runs only when a response is about to be retried.
 */
export function requestedDelayMs(
  backOff: RateLimitedRetryBackOff | undefined,
  head: ResponseHead,
  nowMs: () => number,
): number | undefined {
  for (const header of backOff?.resetHeaders ?? []) {
    const delayMs = readDelayMs(header, head, nowMs);
    if (delayMs !== undefined && delayMs > 0 && delayMs <= (backOff?.maxMs ?? 0)) return delayMs;
  }
  return undefined;
}

function readDelayMs(
  { name, format }: ResetHeader,
  { headers }: ResponseHead,
  nowMs: () => number,
): number | undefined {
  const value = headers.get(new HeaderName(name));
  // Whole seconds, as in Envoy: the other form of Retry-After, a date, is not a number of seconds.
  if (value === undefined || !/^\d{1,12}$/.test(value)) return undefined;
  return format === 'SECONDS' ? Number(value) * 1000 : Number(value) * 1000 - nowMs();
}
