/**
 * Listeners for the intercepted connections of an application, as Istio builds them: `virtualOutbound` gets them all and
 * hands each to the listener of its original destination, `ADDRESS_PORT` before `0.0.0.0_PORT`. Only the first has a socket.
 */
import { interceptionPorts, type InterceptionMode } from '../../proxy/api/interception.ts';
import type { FilterChain, Listener, envoy_config_listener_v3_Filter as Filter } from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import type { PushConfig } from '../model/push-context.ts';
import { connectionPorts } from '../model/service.ts';
import { connectionReports, type ListenerReports } from './http-connection-manager.ts';
import { anyAddress, listenAt } from './listener-address.ts';
import { originalDestinationFilter } from './listener-filters.ts';
import { ListenerPlanner } from './listener-planner.ts';
import { outboundListenerName } from './listeners.ts';
import { blackHoleClusterName, passthroughClusterName } from './original-destination.ts';
import { isRegistryOnly } from './outbound-policy.ts';
import { buildPlainTcpProxy } from './tcp-proxy.ts';
import { hasRuleHosts } from './virtual-hosts.ts';

export interface OutboundInterception {
  readonly mode: InterceptionMode;
  readonly outboundPort: number;
  readonly inboundPort: number;
  readonly client: Client;
}

/** Sorted by name, the one with the socket last. */
export function buildInterceptedOutboundListeners(
  config: PushConfig,
  interception: OutboundInterception,
  reports: ListenerReports = {},
): Listener[] {
  const { client } = interception;
  const planner = new ListenerPlanner(config, client, reports);
  for (const service of config.services.visibleTo(client.namespace).all) {
    for (const port of connectionPorts(service)) planner.add(service, port);
  }
  if (hasRuleHosts(config, client)) planner.addHttp(80);
  const others = buildUndeclared(config, client, reports);
  const sockets = new Set([outboundPortOf(interception), interception.inboundPort || interceptionPorts.inbound]);
  // Envoy refuses two listeners of one address, also where only one of them has a socket.
  const isFree = ({ address }: Listener): boolean =>
    address?.socket_address?.address !== anyAddress || !sockets.has(address.socket_address.port_value ?? 0);
  return [...planner.listeners(others).filter(isFree), buildVirtualOutbound(interception, others)];
}

/** Where one workload takes connections, and for which ports of which services. */
export interface WorkloadAddress {
  /** IP address. */
  readonly address: string;
  readonly port: number;
  /** In the order of hostnames: of two whose connections look the same the first takes them. */
  readonly claims: readonly { readonly hostname: string; readonly port: number }[];
}

/**
 * Connections to one workload of services that have no address of their own; undefined where no service is left. Each has a
 * listener, as in Istio. In a filter chain for all addresses of a service they would be less to send, but with every workload
 * that comes or goes Envoy drains the connections of a changed chain, and databases keep theirs for days. A listener of its
 * own touches nobody else's.
 */
export function buildWorkloadListener(
  config: PushConfig,
  { client }: Pick<OutboundInterception, 'client'>,
  { address, port, claims }: WorkloadAddress,
  reports: ListenerReports = {},
): Listener | undefined {
  const planner = new ListenerPlanner(config, client, reports);
  const services = config.services.visibleTo(client.namespace);
  for (const claim of claims) {
    const service = services.find(claim.hostname);
    const servicePort = service && connectionPorts(service).find(({ number }) => number === claim.port);
    if (service !== undefined && servicePort !== undefined)
      planner.addWorkload({ address, port }, service, servicePort);
  }
  return planner.listeners(buildUndeclared(config, client, reports))[0];
}

/** What becomes of connections that nobody declared. */
function buildUndeclared(config: PushConfig, client: Client, reports: ListenerReports): Filter {
  const cluster = isRegistryOnly(config, client) ? blackHoleClusterName : passthroughClusterName;
  return buildPlainTcpProxy(cluster, connectionReports(reports));
}

function outboundPortOf({ outboundPort }: OutboundInterception): number {
  return outboundPort || interceptionPorts.outbound;
}

/** Connections to its own port are none of an application's: they would come back for ever. */
function buildVirtualOutbound(interception: OutboundInterception, others: Filter): Listener {
  const port_value = outboundPortOf(interception);
  const filter_chains: FilterChain[] = [
    {
      name: `${outboundListenerName}-blackhole`,
      filter_chain_match: { destination_port: port_value },
      filters: [buildPlainTcpProxy(blackHoleClusterName)],
    },
    { name: `${outboundListenerName}-catchall-tcp`, filters: [others] },
  ];
  return {
    name: outboundListenerName,
    ...listenAt(anyAddress, port_value),
    traffic_direction: 'OUTBOUND',
    use_original_dst: true,
    ...(interception.mode === 'TPROXY' ? { transparent: true } : {}),
    listener_filters: [originalDestinationFilter],
    filter_chains,
  };
}
