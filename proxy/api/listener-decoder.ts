/** Decodes `envoy.config.listener.v3.Listener`. */
import type { Decoded } from '../common/decoded.ts';
import { decodeMetricRules } from './metric-rules.ts';
import { readAccessLog } from './access-log-decoder.ts';
import { decodeAddress, decodeListenAddress, type SocketAddress } from './address-decoder.ts';
import type { DnsFilterConfig } from './dns-filter.ts';
import { readDnsFilter } from './dns-filter-decoder.ts';
import type {
  Address,
  envoy_config_listener_v3_Filter as FilterJson,
  FilterChain as FilterChainJson,
  Listener as ListenerJson,
  ListenerFilter as ListenerFilterJson,
} from './envoy.gen.ts';
import { decodeFields, type Fields } from './fields.ts';
import { matchesEverything, readFilterChainMatch } from './filter-chain-match-decoder.ts';
import { readHttpConnectionManager } from './http-connection-manager-decoder.ts';
import type { FilterChain, Inspection, Listener, NetworkFilter } from './listener.ts';
import { type ListenerFilter, readListenerFilter } from './listener-filter-decoder.ts';
import type { NetworkRbacConfig } from './rbac.ts';
import { readNetworkRbac } from './rbac-decoder.ts';
import { readDownstreamTls } from './tls-decoder.ts';
import { readTcpProxy } from './tcp-proxy-decoder.ts';

export function decodeListener(json: ListenerJson): Decoded<Listener> {
  return decodeFields(json, '', readListener);
}

/** A listener of the bootstrap may have no name; its address stands in, so that every listener can be told apart. */
export function readListener(fields: Fields<ListenerJson>): Listener {
  fields.ignore('stat_prefix');
  // How the kernel spreads connections over workers: one process, one worker.
  fields.ignore('enable_reuse_port', 'connection_balance_config');
  const bindsToPort = fields.flag('bind_to_port', true);
  const { address, port, protocol } = decodeListenAddress(fields.required('address'), bindsToPort ? 0 : 1);
  const common = {
    name: fields.text('name') || `${address}_${port}`,
    address,
    port,
    bindsToPort,
    trafficDirection: fields.take('traffic_direction') ?? 'UNSPECIFIED',
    metricRules: decodeMetricRules(fields.message('metadata')),
  };
  return protocol === 'UDP' ? readUdpListener(fields, common) : readTcpListener(fields, common);
}

type CommonFields = Pick<Listener, 'name' | 'address' | 'port' | 'bindsToPort' | 'trafficDirection' | 'metricRules'>;

/** UDP has no connections: what serves its datagrams stands among the listener filters. */
function readUdpListener(fields: Fields<ListenerJson>, common: CommonFields): Listener {
  fields.message('udp_listener_config');
  fields.only('bind_to_port', true);
  const filters = fields.list('listener_filters', readUdpFilter);
  const [dnsFilter] = filters;
  if (filters.length !== 1) {
    fields.fail('listener_filters', `must be one filter of UDP, the DNS filter, got ${filters.length}`);
  }
  return {
    ...common,
    additionalAddresses: fields.list('additional_addresses', (each) => readUdpAddress(each.required('address'))),
    usesOriginalDestination: false,
    isTransparent: false,
    inspection: {
      originalDestination: false,
      tls: undefined,
      http: undefined,
      timeoutMs: 0,
      continuesOnTimeout: false,
    },
    dnsFilter,
    filterChains: [],
    defaultFilterChain: undefined,
    accessLogs: [],
  };
}

function readUdpAddress(fields: Fields<Address>): SocketAddress {
  const { protocol, address, port } = decodeListenAddress(fields, 0);
  if (protocol === 'TCP') fields.fail('socket_address', "must be of the listener's protocol, UDP, got TCP");
  return { address, port };
}

function readUdpFilter(fields: Fields<ListenerFilterJson>): DnsFilterConfig | undefined {
  fields.name('name');
  return fields.typed('typed_config', { 'envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig': readDnsFilter });
}

function readTcpListener(fields: Fields<ListenerJson>, common: CommonFields): Listener {
  const filterChains = fields.list('filter_chains', readFilterChain);
  const defaultFilterChain = fields.message('default_filter_chain');
  if (filterChains.length === 0 && defaultFilterChain === undefined) {
    fields.fail('filter_chains', 'must have at least one filter chain');
  }
  return {
    ...common,
    additionalAddresses: fields.list('additional_addresses', (each) =>
      decodeAddress(each.required('address'), common.bindsToPort ? 0 : 1),
    ),
    usesOriginalDestination: fields.flag('use_original_dst'),
    isTransparent: fields.flag('transparent'),
    ...readListenerFilters(fields),
    filterChains: filterChains.flat(),
    defaultFilterChain: defaultFilterChain && readFilterChain(defaultFilterChain)[0],
    accessLogs: fields.list('access_log', readAccessLog),
  };
}

/** The order of listener filters means nothing here: where the connection goes is known before its first byte. */
function readListenerFilters(fields: Fields<ListenerJson>): Pick<Listener, 'inspection' | 'originalSource'> {
  const filters = fields.list('listener_filters', readListenerFilter);
  const find = (kind: ListenerFilter['kind']) => filters.find((filter) => filter.kind === kind);
  const tls = find('tls_inspector');
  const http = find('http_inspector');
  const source = find('original_src');
  const inspection: Inspection = {
    // Envoy adds the filter by itself to listeners that hand connections over.
    originalDestination: find('original_dst') !== undefined || fields.take('use_original_dst') === true,
    tls: tls && { disabledAt: tls.disabledAt },
    http: http && { disabledAt: http.disabledAt },
    timeoutMs: fields.durationMs('listener_filters_timeout', 15_000),
    continuesOnTimeout: fields.flag('continue_on_listener_filters_timeout'),
  };
  return { inspection, originalSource: source && { mark: source.mark } };
}

function readFilterChain(fields: Fields<FilterChainJson>): FilterChain[] {
  fields.ignore('metadata');
  const match = fields.message('filter_chain_match');
  const filters = fields.list('filters', readNetworkFilter);
  const checks = filters.slice(0, -1).flatMap((each) => (each?.kind === 'rbac' ? [each.config] : []));
  const filter = filters.at(-1);
  if (filters.length === 0 || checks.length < filters.length - 1 || filter?.kind === 'rbac') {
    const expected = 'the HTTP connection manager or the TCP proxy';
    fields.fail('filters', `must be one filter, ${expected}, with only RBAC filters in front, got ${filters.length}`);
  }
  const chain = {
    name: fields.text('name'),
    tls: readDownstreamTls(fields.message('transport_socket')),
    match: match === undefined ? matchesEverything : readFilterChainMatch(match),
  };
  return filter === undefined || filter.kind === 'rbac' ? [] : [{ ...chain, checks, filter }];
}

type ChainedFilter = NetworkFilter | { readonly kind: 'rbac'; readonly config: NetworkRbacConfig };

function readNetworkFilter(fields: Fields<FilterJson>): ChainedFilter | undefined {
  fields.name('name');
  return fields.typed<ChainedFilter>('typed_config', {
    'envoy.extensions.filters.network.rbac.v3.RBAC': (rbac) => ({ kind: 'rbac', config: readNetworkRbac(rbac) }),
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': (manager) => ({
      kind: 'http_connection_manager',
      config: readHttpConnectionManager(manager),
    }),
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy': (proxy) => ({
      kind: 'tcp_proxy',
      config: readTcpProxy(proxy),
    }),
  });
}
