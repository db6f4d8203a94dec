/**
 * What a request itself says about its timeouts and retries (Envoy docs `http_filters/router_filter`). Runs only for
 * requests that carry such a header; none of them goes upstream.
 */
import { type RetryOn, type RetryPolicy, retryConditions } from '../api/retry-policy.ts';
import type { RouteAction } from '../api/route.ts';
import { controlHeaders } from '../http/header-name.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { type CompiledRetryPolicy, compileRetryPolicy, grpcConditions } from './retry-conditions.ts';
import type { CompiledRoute } from './route-table.ts';

/** Takes the place of what the route says. */
export interface RequestControls {
  readonly retryPolicy: CompiledRetryPolicy | undefined;
  /** Undefined leaves the route's. */
  readonly timeoutMs: number | undefined;
  readonly hedgesOnPerTryTimeout: boolean;
  /** Instead of 504; undefined leaves that. */
  readonly timeoutStatus: number | undefined;
}

/** Envoy's defaults, for a route without a policy. */
const noPolicy: RetryPolicy = {
  retryOn: new Set(),
  numRetries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  retriableStatusCodes: new Set(),
  retriableHeaders: [],
  retriableRequestHeaders: [],
  backOff: { baseMs: 25, maxMs: 250 },
  rateLimitedBackOff: undefined,
  avoidsPreviousHosts: false,
  hostSelectionAttempts: 1,
  priorityUpdateFrequency: undefined,
};

/** Removes the headers and returns what they ask for. */
export function takeRequestControls(
  headers: HeaderMap,
  { retryPolicy }: CompiledRoute,
  action: RouteAction,
): RequestControls {
  const hedging = headers.get(controlHeaders.hedgeOnPerTryTimeout);
  const controls = {
    retryPolicy: mergeRetryPolicy(headers, retryPolicy),
    timeoutMs: numberIn(headers.get(controlHeaders.timeout)),
    hedgesOnPerTryTimeout: hedging === 'true' || (hedging !== 'false' && action.hedgesOnPerTryTimeout),
    timeoutStatus: headers.get(controlHeaders.timeoutAltResponse) === undefined ? undefined : 204,
  };
  removeRequestControls(headers);
  return controls;
}

/** Of a request whose sender has no say. */
export function removeRequestControls(headers: HeaderMap): void {
  for (const name of Object.values(controlHeaders)) headers.remove(name);
}

function mergeRetryPolicy(headers: HeaderMap, compiled: CompiledRetryPolicy | undefined): typeof compiled {
  const policy = compiled?.policy ?? noPolicy;
  const retryOn = new Set([
    ...policy.retryOn,
    ...conditionsIn(headers.get(controlHeaders.retryOn), otherConditions),
    ...conditionsIn(headers.get(controlHeaders.retryGrpcOn), grpcWords),
  ]);
  const perTryTimeoutMs = numberIn(headers.get(controlHeaders.perTryTimeout)) ?? policy.perTryTimeoutMs;
  if (retryOn.size === 0 && perTryTimeoutMs === 0) return compiled;
  const statusCodes = listIn(headers.get(controlHeaders.retriableStatusCodes)).map(numberIn);
  const headerNames = listIn(headers.get(controlHeaders.retriableHeaderNames));
  return compileRetryPolicy({
    ...policy,
    retryOn,
    perTryTimeoutMs,
    numRetries: retryOn.size === 0 ? 0 : (numberIn(headers.get(controlHeaders.maxRetries)) ?? policy.numRetries),
    retriableStatusCodes: new Set([
      ...policy.retriableStatusCodes,
      ...statusCodes.filter((code) => code !== undefined),
    ]),
    retriableHeaders: [
      ...policy.retriableHeaders,
      ...headerNames.map((name) => ({
        name: name.toLowerCase(),
        condition: { kind: 'present', isPresent: true } as const,
        invertMatch: false,
        treatMissingHeaderAsEmpty: false,
      })),
    ],
  });
}

const grpcWords: ReadonlySet<RetryOn> = new Set(grpcConditions.map(([word]) => word));
const otherConditions: ReadonlySet<RetryOn> = new Set(retryConditions.filter((word) => !grpcWords.has(word)));

/** Words that are none are passed over, as in Envoy: a request must not fail for what was meant to save it. */
function conditionsIn(text: string | undefined, known: ReadonlySet<RetryOn>): RetryOn[] {
  const words = listIn(text);
  return [...known].filter((word) => words.includes(word));
}

function listIn(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** A plain number; undefined for anything else, which then says nothing. */
function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
