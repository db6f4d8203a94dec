/** The two listeners of a sidecar: outbound on loopback for its application, inbound for everybody else. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  HttpConnectionManager,
  Listener,
  Route,
  RouteConfiguration,
  TrafficDirection,
} from '../../proxy/api/envoy.gen.ts';
import { peerMetadataHeader } from '../../proxy/api/peer-metadata.ts';
import { inboundClusterName } from './cluster-name.ts';
import { adsConfigSource } from './config-source.ts';
import { inboundHttpFilters, outboundHttpFilters } from './http-filters.ts';
import { inboundRetryPolicy } from './retry-policy.ts';

/** Name of the route configuration of the listener that is addressed openly, as a forward proxy; Istio's name for it. */
export const outboundRouteName = 'http_proxy';

const httpConnectionManagerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

const outboundListenerName = 'virtualOutbound';
const inboundListenerName = 'virtualInbound';

/** What the listeners of a sidecar tell about its requests. */
export type ListenerReports = Pick<HttpConnectionManager, 'access_log' | 'tracing'>;

export interface OutboundPorts {
  readonly outboundPort: number;
}

export function buildOutboundListener({ outboundPort }: OutboundPorts, reports: ListenerReports = {}): Listener {
  return buildListener({
    name: outboundListenerName,
    address: '127.0.0.1',
    port: outboundPort,
    direction: 'OUTBOUND',
    manager: {
      ...reports,
      stat_prefix: `outbound_127.0.0.1_${outboundPort}`,
      rds: { config_source: adsConfigSource, route_config_name: outboundRouteName },
    },
  });
}

export interface InboundPorts {
  readonly address: string;
  readonly inboundPort: number;
  readonly appPort: number;
  /** Of the application; undefined: spans of its requests have no name of their own. */
  readonly hostname?: string | undefined;
}

export function buildInboundListener(ports: InboundPorts, reports: ListenerReports = {}): Listener {
  const { address, inboundPort } = ports;
  return buildListener({
    name: inboundListenerName,
    address,
    port: inboundPort,
    direction: 'INBOUND',
    manager: {
      ...reports,
      stat_prefix: `inbound_${address}_${inboundPort}`,
      route_config: buildInboundRoutes(ports, reports.tracing !== undefined),
    },
  });
}

/** The peer's metadata is for the sidecar's telemetry, not for the application. */
function buildInboundRoutes({ appPort, hostname }: InboundPorts, isTraced: boolean): RouteConfiguration {
  const name = inboundClusterName(appPort);
  const action = { cluster: name, timeout: '0s', retry_policy: inboundRetryPolicy };
  const decorator = isTraced && hostname ? { decorator: { operation: `${hostname}:${appPort}/*` } } : {};
  const route: Route = { name: 'default', match: { prefix: '/' }, route: action, ...decorator };
  return {
    name,
    virtual_hosts: [{ name: `inbound|http|${appPort}`, domains: ['*'], routes: [route] }],
    request_headers_to_remove: [peerMetadataHeader],
  };
}

interface ListenerPlan {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly direction: TrafficDirection;
  readonly manager: Pick<HttpConnectionManager, 'stat_prefix' | 'rds' | 'route_config' | keyof ListenerReports>;
}

/** As Istio sets it for sidecars: streams may idle as long as their ends like, a head must arrive soon. */
function buildListener({ name, address, port, direction, manager }: ListenerPlan): Listener {
  const httpConnectionManager: HttpConnectionManager = {
    ...manager,
    normalize_path: true,
    stream_idle_timeout: '0s',
    request_headers_timeout: '10s',
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    http_filters: [...(direction === 'OUTBOUND' ? outboundHttpFilters : inboundHttpFilters)],
  };
  const typed_config = { '@type': typeUrlOf(httpConnectionManagerType), ...httpConnectionManager };
  return {
    name,
    address: { socket_address: { address, port_value: port } },
    traffic_direction: direction,
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config }] }],
  };
}
