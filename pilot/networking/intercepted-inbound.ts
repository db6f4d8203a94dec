/**
 * The listener for intercepted connections to a workload, as Istio builds it: a chain per port of the application, and one
 * for what no service and no workload named, which goes where it was going.
 */
import { interceptionPorts, type InterceptionMode } from '../../proxy/api/interception.ts';
import type {
  Cluster,
  FilterChain,
  FilterChainMatch,
  Listener,
  envoy_config_listener_v3_Filter as Filter,
} from '../../proxy/api/envoy.gen.ts';
import type { InboundPort } from '../model/inbound-ports.ts';
import type { ResolvedRule } from '../model/check-rules.ts';
import type { HttpVersion } from '../model/service.ts';
import { inboundClusterName } from './cluster-name.ts';
import { adsConfigSource } from './config-source.ts';
import { buildInboundCluster } from './clusters.ts';
import { buildConnectionChecks } from './connection-checks.ts';
import { buildConnectionPool } from './connection-pool.ts';
import { besideHttp, httpOnly } from './filter-chain-match.ts';
import { buildHttpConnectionManager, connectionReports, type ListenerReports } from './http-connection-manager.ts';
import { anyAddress, listenAt } from './listener-address.ts';
import { buildInspection, originalDestinationFilter, originalSourceFilter } from './listener-filters.ts';
import { inboundListenerName } from './listeners.ts';
import {
  blackHoleClusterName,
  inboundPassthroughClusterName,
  originalDestinationDiscovery,
} from './original-destination.ts';
import { withProtocolOptions } from './protocol-options.ts';
import { buildPlainTcpProxy } from './tcp-proxy.ts';

export interface InboundInterception {
  readonly mode: InterceptionMode;
  readonly inboundPort: number;
  readonly ports: readonly InboundPort[];
  /** Of who may come in. What cannot be read as a request does not, where nobody declared the protocol. */
  readonly rules?: readonly ResolvedRule[];
}

export function buildInterceptedInboundListener(
  { mode, inboundPort, ports, rules = [] }: InboundInterception,
  reports: ListenerReports = {},
): Listener {
  const port_value = inboundPort || interceptionPorts.inbound;
  const filter_chains: FilterChain[] = [
    // Connections to its own port are none of an application's: they would come back for ever.
    {
      name: `${inboundListenerName}-blackhole`,
      filter_chain_match: { destination_port: port_value },
      filters: [buildPlainTcpProxy(blackHoleClusterName)],
    },
    ...ports.filter(({ number }) => number !== port_value).flatMap((port) => buildPortChains(port, reports, rules)),
  ];
  return {
    name: inboundListenerName,
    ...listenAt(anyAddress, port_value),
    traffic_direction: 'INBOUND',
    ...(mode === 'TPROXY' ? { transparent: true } : {}),
    filter_chains,
    default_filter_chain: {
      name: inboundListenerName,
      filters: [
        ...buildConnectionChecks(rules, undefined),
        buildPlainTcpProxy(inboundPassthroughClusterName, connectionReports(reports)),
      ],
    },
    ...buildInspection({
      chains: filter_chains,
      first: mode === 'TPROXY' ? [originalDestinationFilter, originalSourceFilter] : [originalDestinationFilter],
      uninspectedPorts: ports.filter(isOpaque).map(({ number }) => number),
    }),
  };
}

/**
 * With REDIRECT the application is on loopback. With TPROXY a connection goes to the address that its caller meant, of
 * whichever family: it comes in the name of the caller, and that has an address of that family.
 */
export function buildInterceptedInboundClusters({ mode, ports }: InboundInterception): Cluster[] {
  return ports.map(({ number, version }) =>
    mode === 'TPROXY' ? buildTransparentInboundCluster(number, version) : buildInboundCluster(number, version),
  );
}

function buildTransparentInboundCluster(appPort: number, version: HttpVersion): Cluster {
  const cluster = { name: inboundClusterName(appPort), ...originalDestinationDiscovery, ...buildConnectionPool() };
  return withProtocolOptions(cluster, { version });
}

/** It is known, and its server may speak first. */
function isOpaque({ protocol }: InboundPort): boolean {
  return protocol === 'TCP' || protocol === 'TLS';
}

function buildPortChains(
  { number, protocol }: InboundPort,
  reports: ListenerReports,
  rules: readonly ResolvedRule[],
): FilterChain[] {
  const match: FilterChainMatch = { destination_port: number };
  const chain = (filter_chain_match: FilterChainMatch, ...filters: Filter[]): FilterChain => {
    return { name: `${anyAddress}_${number}`, filter_chain_match, filters };
  };
  const manager = (): Filter =>
    buildHttpConnectionManager(
      {
        ...reports,
        stat_prefix: `inbound_${anyAddress}_${number}`,
        rds: { config_source: adsConfigSource, route_config_name: inboundClusterName(number) },
      },
      'INBOUND',
    );
  const tcp = (cluster = inboundClusterName(number)): Filter => buildPlainTcpProxy(cluster, connectionReports(reports));
  const rest = rules.some(({ isShadow }) => !isShadow) ? blackHoleClusterName : undefined;
  switch (protocol) {
    case 'HTTP':
      return [chain(match, manager())];
    case 'UNSUPPORTED':
      return [chain(httpOnly(match), manager()), ...besideHttp(match).map((others) => chain(others, tcp(rest)))];
    default:
      return [chain(match, ...buildConnectionChecks(rules, number), tcp())];
  }
}
