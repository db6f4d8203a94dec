/** The HTTP connection manager of a sidecar's listeners, and what they tell about their traffic. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  envoy_config_listener_v3_Filter as Filter,
  HttpConnectionManager,
  HttpFilter,
} from '../../proxy/api/envoy.gen.ts';
import { httpGrpcLogName, tcpGrpcLogName } from './access-logs.ts';
import { gatewayHttpFilters, inboundHttpFilters, outboundHttpFilters } from './http-filters.ts';

const httpConnectionManagerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

/** What the listeners of a sidecar tell others about its requests. */
export interface ListenerReports extends Pick<HttpConnectionManager, 'access_log' | 'tracing'> {
  /** Filters that ask others whether requests may come in; default none. Nothing is asked on the way out. */
  readonly authorization?: readonly HttpFilter[];
}

type Logs = Pick<ListenerReports, 'access_log'>;

/** The part of it that is about connections without requests. */
export function connectionReports(reports: ListenerReports): Logs {
  return logsWithout(httpGrpcLogName, reports);
}

function logsWithout(name: string, { access_log = [] }: Logs): Logs {
  const logs = access_log.filter((log) => log.name !== name);
  return logs.length === 0 ? {} : { access_log: logs };
}

/** What differs between connection managers. */
export type ManagerPlan = ListenerReports & Pick<HttpConnectionManager, 'stat_prefix' | 'rds' | 'route_config'>;

const httpFilters = {
  INBOUND: inboundHttpFilters,
  OUTBOUND: () => [...outboundHttpFilters],
  GATEWAY: gatewayHttpFilters,
};

/** As Istio sets it for sidecars: streams may idle as long as their ends like, a head must arrive soon. `more` says otherwise. */
export function buildHttpConnectionManager(
  { authorization = [], ...plan }: ManagerPlan,
  role: keyof typeof httpFilters,
  more: Partial<HttpConnectionManager> = {},
): Filter {
  const { access_log, ...rest } = plan;
  const httpConnectionManager: HttpConnectionManager = {
    ...rest,
    ...(access_log === undefined ? {} : logsWithout(tcpGrpcLogName, { access_log })),
    normalize_path: true,
    stream_idle_timeout: '0s',
    request_headers_timeout: '10s',
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    // Sidecars speak plain text with each other: what the gateway has seen reaches the application by its word alone.
    forward_client_cert_details: 'ALWAYS_FORWARD_ONLY',
    ...more,
    http_filters: httpFilters[role](authorization),
  };
  const typed_config = { '@type': typeUrlOf(httpConnectionManagerType), ...httpConnectionManager };
  return { name: 'envoy.filters.network.http_connection_manager', typed_config };
}
