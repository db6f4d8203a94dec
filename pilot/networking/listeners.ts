/** The two listeners of a sidecar: outbound on loopback for its application, inbound for everybody else. */
import type { Listener, Route, RouteConfiguration } from '../../proxy/api/envoy.gen.ts';
import { peerMetadataHeader } from '../../proxy/api/peer-metadata.ts';
import { inboundClusterName } from './cluster-name.ts';
import { adsConfigSource } from './config-source.ts';
import { buildHttpConnectionManager, type ListenerReports, type ManagerPlan } from './http-connection-manager.ts';
import { inboundRetryPolicy } from './retry-policy.ts';

/** Name of the route configuration of the listener that is addressed openly, as a forward proxy; Istio's name for it. */
export const outboundRouteName = 'http_proxy';

export const outboundListenerName = 'virtualOutbound';
export const inboundListenerName = 'virtualInbound';

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
}

export interface InboundApplication {
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
      rds: { config_source: adsConfigSource, route_config_name: inboundClusterName(ports.appPort) },
    },
  });
}

/** The peer's metadata is for the sidecar's telemetry, not for the application. */
export function buildInboundRoutes({ appPort, hostname }: InboundApplication, isTraced: boolean): RouteConfiguration {
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
  readonly direction: 'INBOUND' | 'OUTBOUND';
  readonly manager: ManagerPlan;
}

function buildListener({ name, address, port, direction, manager }: ListenerPlan): Listener {
  return {
    name,
    address: { socket_address: { address, port_value: port } },
    traffic_direction: direction,
    filter_chains: [{ filters: [buildHttpConnectionManager(manager, direction)] }],
  };
}
