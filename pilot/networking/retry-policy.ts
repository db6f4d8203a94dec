/** Which failed attempts a sidecar repeats: what a rule says under `retries`, or the default. */
import type { HTTPRoute } from '../../crds/virtual-service.ts';
import type { envoy_config_route_v3_RetryPolicy as RetryPolicy, RouteAction } from '../../proxy/api/envoy.gen.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import { protoDurationOf } from './proto-duration.ts';

/**
 * Retried is only what provably never reached an application, so nothing is ever done twice (B1). Istio's default goes
 * further (`unavailable,cancelled`), and users paid double for it.
 */
const defaultRetryOn = 'connect-failure,refused-stream';
/** Istio's default. */
const defaultRetries = 2;

type Retries = NonNullable<HTTPRoute['retries']>;

/**
 * The policy of a route to `action`'s clusters; undefined when retries are turned off. Where a hash chooses the host it
 * would choose the same again, so there previous hosts are not avoided (semantics S22).
 */
export function buildRetryPolicy(retries: Retries | undefined, action: RouteAction): RetryPolicy | undefined {
  const {
    attempts = 0,
    perTryTimeout,
    backoff,
    retryIgnorePreviousHosts = true,
    retryRemoteLocalities,
  } = retries ?? {};
  if (retries !== undefined && attempts === 0) return undefined;
  const avoidsPrevious = retryIgnorePreviousHosts && action.hash_policy === undefined;
  return {
    ...parseRetryOn(retries?.retryOn || defaultRetryOn),
    num_retries: retries === undefined ? defaultRetries : attempts,
    ...(perTryTimeout === undefined ? {} : { per_try_timeout: protoDurationOf(perTryTimeout) }),
    ...(backoff === undefined ? {} : { retry_back_off: { base_interval: protoDurationOf(backoff) } }),
    ...(retries === undefined ? {} : { rate_limited_retry_back_off: asAskedFor }),
    ...(avoidsPrevious ? avoidPreviousHosts : {}),
    ...(retryRemoteLocalities === true ? { retry_priority: avoidPreviousPriorities } : {}),
  };
}

/**
 * A rule that has responses repeated repeats them when their sender asks for it (RFC 9110 section 10.2.3). Who asks for
 * more time than this is not believed to mean a request that somebody waits for.
 */
const asAskedFor = {
  // In seconds, which is what Envoy reads without being told.
  reset_headers: [{ name: 'Retry-After' }],
  max_interval: '10s',
};

/** Requests to the application of a sidecar: what did not reach it is repeated, except gRPC, as in Istio (semantics S22). */
export const inboundRetryPolicy: RetryPolicy = {
  retry_on: 'reset-before-request',
  num_retries: 2,
  retriable_request_headers: [
    {
      name: 'content-type',
      string_match: { prefix: 'application/grpc' },
      invert_match: true,
      treat_missing_header_as_empty: true,
    },
  ],
};

const avoidPreviousHosts: RetryPolicy = {
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: { '@type': typeUrlOf('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate') },
    },
  ],
  host_selection_retry_max_attempts: 5,
};

/** As in Istio: the first retry stays where it is nearest, from the second on other priorities are tried first. */
const avoidPreviousPriorities: NonNullable<RetryPolicy['retry_priority']> = {
  name: 'envoy.retry_priorities.previous_priorities',
  typed_config: {
    '@type': typeUrlOf('envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig'),
    update_frequency: 2,
  },
};

/** Numbers among the conditions are statuses, which have a field of their own (semantics S23). */
function parseRetryOn(retryOn: string): Pick<RetryPolicy, 'retry_on' | 'retriable_status_codes'> {
  const words = retryOn.split(',').map((word) => word.trim());
  const codes = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const conditions = words.filter((word) => word !== '' && !/^\d+$/.test(word));
  if (codes.length === 0) return { retry_on: conditions.join(',') };
  const all = new Set([...conditions, 'retriable-status-codes']);
  return { retry_on: [...all].join(','), retriable_status_codes: codes };
}
