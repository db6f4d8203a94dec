/** Listeners of a gateway: one per address and port, with a filter chain per server or, for requests in plain text, one. */
import type { FilterChain, HttpConnectionManager, Listener } from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import type { GatewayListener, MergedServer } from '../model/gateways.ts';
import type { PushConfig } from '../model/push-context.ts';
import { adsConfigSource } from './config-source.ts';
import { buildDownstreamTls } from './downstream-tls.ts';
import { ClaimedConnections, ofServerNames } from './filter-chain-match.ts';
import { boundRules } from './gateway-hosts.ts';
import { buildHttpConnectionManager, connectionReports, type ListenerReports } from './http-connection-manager.ts';
import { buildL4Route } from './l4-routes.ts';
import { listenAt } from './listener-address.ts';
import { buildInspection } from './listener-filters.ts';
import { blackHoleClusterName } from './original-destination.ts';
import { isL4ForClient } from './source-match.ts';
import { buildPlainTcpProxy } from './tcp-proxy.ts';

export interface GatewayContext {
  readonly config: PushConfig;
  readonly client: Client;
  readonly reports: ListenerReports;
  readonly trustedProxies: number;
}

/** Undefined where nothing would be done with connections: no rules say where they go. */
export function buildGatewayListener(listener: GatewayListener, context: GatewayContext): Listener | undefined {
  const { bind, port, servers } = listener;
  const name = `${bind}_${port}`;
  const chains = distinct(servers.flatMap((server, i) => chainsOf(server, i, name, context)));
  if (chains.length === 0) return undefined;
  return {
    name,
    ...listenAt(bind, port),
    traffic_direction: 'OUTBOUND',
    ...inspectionOf(chains),
    filter_chains: chains,
  };
}

/** Strangers are not waited for: who does not say what he wants within Envoy's default time is sent away. */
function inspectionOf(chains: readonly FilterChain[]): Partial<Listener> {
  const { listener_filters } = buildInspection({ chains });
  return listener_filters === undefined ? {} : { listener_filters, listener_filters_timeout: '15s' };
}

/** Of two chains that claim the same connections the first one counts. */
function distinct(chains: readonly FilterChain[]): FilterChain[] {
  const claims = new ClaimedConnections();
  return chains.flatMap(({ filter_chain_match = {}, ...chain }) =>
    claims
      .claim(filter_chain_match)
      .map((match) => (Object.keys(match).length === 0 ? chain : { filter_chain_match: match, ...chain })),
  );
}

function chainsOf(server: MergedServer, index: number, listenerName: string, context: GatewayContext): FilterChain[] {
  const { tls = {} } = server.server;
  if (context.config.credentials.faultOf(tls, context.client.namespace) !== undefined) return [refusingChain(server)];
  switch (server.kind) {
    case 'http':
      return index === 0 ? [{ filters: [managerOf(server, listenerName, context)] }] : [];
    case 'https':
      return [{ ...tlsChain(server, ['h2', 'http/1.1']), filters: [managerOf(server, listenerName, context)] }];
    case 'tls':
      return tcpFilters(server, context).map((filter) => ({ ...tlsChain(server, []), filters: [filter] }));
    case 'tcp':
      return tcpFilters(server, context).map((filter) => ({ filters: [filter] }));
    case 'passthrough':
      return passthroughChains(server, context);
  }
}

/**
 * Without its certificate a server closes the connections to its hosts: a listener that waited for it would serve nobody
 * else either, and without this chain another server of the same port would take them.
 */
function refusingChain({ hosts }: MergedServer): FilterChain {
  return {
    filter_chain_match: { ...ofServerNames(hosts.map(({ name }) => name)), transport_protocol: 'tls' },
    filters: [buildPlainTcpProxy(blackHoleClusterName)],
  };
}

function tlsChain({ hosts, server: { tls = {} } }: MergedServer, alpnProtocols: readonly string[]): FilterChain {
  return {
    // Of partial wildcards, which it knows no words for, a Gateway has none.
    filter_chain_match: ofServerNames(hosts.map(({ name }) => name)) ?? {},
    ...buildDownstreamTls(tls, alpnProtocols),
  };
}

function managerOf(server: MergedServer, listenerName: string, { reports, trustedProxies }: GatewayContext) {
  const { routeName } = server;
  const plan = {
    ...reports,
    stat_prefix: (server.kind === 'https' ? server.server.name : undefined) || `outbound_${listenerName}`,
    rds: { config_source: adsConfigSource, route_config_name: routeName },
  };
  return buildHttpConnectionManager(plan, 'GATEWAY', edgeOptions(trustedProxies));
}

/** What Envoy's documentation advises for listeners that strangers reach (`best_practices/edge`). */
function edgeOptions(trustedProxies: number): Partial<HttpConnectionManager> {
  return {
    use_remote_address: true,
    ...(trustedProxies === 0 ? {} : { xff_num_trusted_hops: trustedProxies }),
    // Istio's choice for gateways.
    forward_client_cert_details: 'SANITIZE_SET',
    set_current_client_cert_details: { subject: true, cert: true, dns: true, uri: true },
    merge_slashes: true,
    path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
    common_http_protocol_options: { idle_timeout: '3600s', headers_with_underscores_action: 'REJECT_REQUEST' },
    http2_protocol_options: {
      max_concurrent_streams: 100,
      initial_stream_window_size: 65_536,
      initial_connection_window_size: 1_048_576,
    },
    stream_idle_timeout: '300s',
    request_timeout: '300s',
  };
}

/** Only the first rule for the server counts: nothing in the bytes of a connection tells it from another. */
function tcpFilters(server: MergedServer, context: GatewayContext) {
  const { config, client, reports } = context;
  for (const { rules } of boundRules(server, config, client)) {
    const routing = { rules, config, client, port: server.server.port.number, gateway: server.gateway };
    for (const { match = [], route = [] } of rules.spec.tcp ?? []) {
      const isTaken = match.length === 0 || match.some((attributes) => isL4ForClient(attributes, routing));
      if (isTaken && route.length > 0) return [buildL4Route(route, routing, connectionReports(reports))];
    }
  }
  return [];
}

function passthroughChains(server: MergedServer, { config, client, reports }: GatewayContext): FilterChain[] {
  return boundRules(server, config, client).flatMap(({ rules }) => {
    const routing = { rules, config, client, port: server.server.port.number, gateway: server.gateway };
    return (rules.spec.tls ?? []).flatMap(({ match = [], route = [] }) =>
      match
        .filter((attributes) => route.length > 0 && isL4ForClient(attributes, routing))
        .flatMap(({ sniHosts = [] }) => {
          const names = ofServerNames(sniHosts);
          if (names === undefined) return [];
          const filters = [buildL4Route(route, routing, connectionReports(reports))];
          return [{ filter_chain_match: { ...names, transport_protocol: 'tls' }, filters }];
        }),
    );
  });
}
