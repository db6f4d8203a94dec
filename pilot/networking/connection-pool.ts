/** What a DestinationRule's connectionPool, or its absence, means for a cluster. */
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { ConnectionPoolSettings, TrafficPolicy } from '../../crds/traffic-policy.ts';
import type {
  CircuitBreakers_Thresholds,
  Cluster,
  envoy_config_core_v3_HttpProtocolOptions as HttpProtocolOptions,
  TcpKeepalive,
} from '../../proxy/api/envoy.gen.ts';
import { parseDurationMs } from '../../crds/duration.ts';
import { protoDurationOf } from './proto-duration.ts';
import { buildRetryBudget } from './retry-budget.ts';

/** Istio's default for new connections, where the mesh has none of its own. */
const defaultConnectTimeout = '10s';
/** Istio lifts all of Envoy's limits that the user did not set (semantics D5). */
const noLimit = 2 ** 32 - 1;

type ConnectionFields = Pick<
  Cluster,
  'connect_timeout' | 'circuit_breakers' | 'common_http_protocol_options' | 'upstream_connection_options'
>;

export function buildConnectionPool(
  settings: ConnectionPoolSettings = {},
  retryBudget?: TrafficPolicy['retryBudget'],
  { connectTimeout: meshConnectTimeout }: MeshConfig = {},
): ConnectionFields {
  const { tcp, http } = settings;
  const connectTimeout = tcp?.connectTimeout ?? meshConnectTimeout;
  const common = buildProtocolOptions(settings);
  const keepalive = tcp?.tcpKeepalive;
  return {
    connect_timeout: connectTimeout === undefined ? defaultConnectTimeout : protoDurationOf(connectTimeout),
    circuit_breakers: {
      thresholds: [
        {
          ...buildThresholds({
            max_connections: tcp?.maxConnections,
            max_pending_requests: http?.http1MaxPendingRequests,
            max_requests: http?.http2MaxRequests,
            max_retries: http?.maxRetries,
          }),
          ...buildRetryBudget(retryBudget, http?.maxRetries),
        },
      ],
    },
    ...(common === undefined ? {} : { common_http_protocol_options: common }),
    ...(keepalive === undefined ? {} : { upstream_connection_options: { tcp_keepalive: buildKeepalive(keepalive) } }),
  };
}

type Limits = Record<'max_connections' | 'max_pending_requests' | 'max_requests' | 'max_retries', number | undefined>;

/** Zero is "not set": protobuf does not tell the two apart, and Istio does as if it were (semantics D9). */
function buildThresholds(limits: Limits): CircuitBreakers_Thresholds {
  const entries = Object.entries(limits).map(([name, limit]) => [name, limit === 0 ? noLimit : (limit ?? noLimit)]);
  return { ...Object.fromEntries(entries), track_remaining: true };
}

function buildProtocolOptions({ tcp, http }: ConnectionPoolSettings): HttpProtocolOptions | undefined {
  const idleTimeout = http?.idleTimeout;
  const maxDuration = tcp?.maxConnectionDuration;
  const maxRequests = http?.maxRequestsPerConnection ?? 0;
  const options = {
    ...(idleTimeout === undefined ? {} : { idle_timeout: protoDurationOf(idleTimeout) }),
    ...(maxDuration === undefined ? {} : { max_connection_duration: protoDurationOf(maxDuration) }),
    ...(maxRequests === 0 ? {} : { max_requests_per_connection: maxRequests }),
  };
  return Object.keys(options).length === 0 ? undefined : options;
}

type Keepalive = NonNullable<NonNullable<ConnectionPoolSettings['tcp']>['tcpKeepalive']>;

/** What is not said is the system's default. */
function buildKeepalive({ time, interval, probes = 0 }: Keepalive): TcpKeepalive {
  return {
    ...(time === undefined ? {} : { keepalive_time: secondsOf(time) }),
    ...(interval === undefined ? {} : { keepalive_interval: secondsOf(interval) }),
    ...(probes === 0 ? {} : { keepalive_probes: probes }),
  };
}

/** Envoy wants whole seconds, and a part of one counts as one: zero would mean the system's default. Linux has a limit. */
function secondsOf(duration: string): number {
  return Math.min(32_767, Math.ceil((parseDurationMs(duration) ?? 0) / 1000));
}
