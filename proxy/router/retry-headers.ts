/** What a request tells its upstream about time and attempts (Envoy docs `http_filters/router_filter`). */
import type { HeaderMap } from '../http/header-map.ts';
import { HeaderName } from '../http/header-name.ts';
import type { CompiledRetryPolicy } from './retry-conditions.ts';

const attemptCount = new HeaderName('x-envoy-attempt-count');
const expectedTimeout = new HeaderName('x-envoy-expected-rq-timeout-ms');

/** `attempts` counts the one that is about to begin; a caller's own number is not ours. */
export function announceAttempt(attempts: number, headers: HeaderMap): void {
  headers.set(attemptCount, String(attempts));
}

/** How long the answer will be waited for: of one attempt where that is limited, else of the request. */
export function announceTimeout(
  retryPolicy: CompiledRetryPolicy | undefined,
  timeoutMs: number,
  headers: HeaderMap,
): void {
  const perTryMs = retryPolicy?.policy.perTryTimeoutMs ?? 0;
  const isPerTry = perTryMs > 0 && (timeoutMs === 0 || perTryMs < timeoutMs);
  const expectedMs = isPerTry ? perTryMs : timeoutMs;
  if (expectedMs > 0) headers.set(expectedTimeout, String(expectedMs));
}
