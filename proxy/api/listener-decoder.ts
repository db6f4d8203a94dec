/** Decodes `envoy.config.listener.v3.Listener`. */
import type { Decoded } from '../common/decoded.ts';
import { decodeAddress } from './address-decoder.ts';
import type {
  envoy_config_listener_v3_Filter as FilterJson,
  FilterChain as FilterChainJson,
  Listener as ListenerJson,
} from './envoy.gen.ts';
import { decodeFields, type Fields } from './fields.ts';
import { readHttpConnectionManager } from './http-connection-manager-decoder.ts';
import type { FilterChain, HttpConnectionManager, Listener } from './listener.ts';

export function decodeListener(json: ListenerJson): Decoded<Listener> {
  return decodeFields(json, '', readListener);
}

/** A listener of the bootstrap may have no name; its address stands in, so that every listener can be told apart. */
export function readListener(fields: Fields<ListenerJson>): Listener {
  fields.ignore('stat_prefix', 'metadata');
  // How the kernel spreads connections over workers: one process, one worker.
  fields.ignore('enable_reuse_port');
  fields.only('bind_to_port', true);
  fields.only('use_original_dst', false);
  const { address, port } = decodeAddress(fields.required('address'), 0);
  const filterChains = fields.list('filter_chains', readFilterChain);
  if (filterChains.length !== 1) fields.fail('filter_chains', `must be one filter chain, got ${filterChains.length}`);
  return {
    name: fields.text('name') || `${address}_${port}`,
    address,
    port,
    trafficDirection: fields.take('traffic_direction') ?? 'UNSPECIFIED',
    filterChains: filterChains.flat(),
  };
}

function readFilterChain(fields: Fields<FilterChainJson>): FilterChain[] {
  fields.ignore('metadata');
  // An empty match matches everything.
  fields.message('filter_chain_match');
  const filters = fields.list('filters', readNetworkFilter);
  if (filters.length !== 1) {
    fields.fail('filters', `must be one filter, the HTTP connection manager, got ${filters.length}`);
  }
  const name = fields.text('name');
  return filters.flatMap((manager) => (manager === undefined ? [] : [{ name, httpConnectionManager: manager }]));
}

function readNetworkFilter(fields: Fields<FilterJson>): HttpConnectionManager | undefined {
  fields.name('name');
  return fields.typed('typed_config', {
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': readHttpConnectionManager,
  });
}
