/** Decodes how names are looked up, for clusters and for caches. */
import { isIPv6 } from 'node:net';
import { decodeAddress, type SocketAddress } from './address-decoder.ts';
import type { DnsCacheConfig, DnsLookupFamily, DnsPolicy } from './dns.ts';
import type {
  CaresDnsResolverConfig,
  Cluster as ClusterJson,
  Cluster_RefreshRate as RefreshRateJson,
  DnsCacheConfig as DnsCacheConfigJson,
  envoy_config_core_v3_TypedExtensionConfig as TypedExtensionConfig,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';

const families = ['AUTO', 'V4_ONLY', 'V6_ONLY', 'V4_PREFERRED', 'ALL'] as const satisfies readonly DnsLookupFamily[];

/** Envoy's defaults: cluster.proto and dns_cache.proto. */
const queryTimeoutMs = 5_000;

/** Of a cluster of type STRICT_DNS or LOGICAL_DNS. */
export function readClusterDns(fields: Fields<ClusterJson>): DnsPolicy {
  return {
    ...readResolution(fields),
    refreshMs: positiveDuration(fields, 'dns_refresh_rate', 5_000),
    respectsTtl: fields.flag('respect_dns_ttl'),
    minRefreshMs: 1,
    queryTimeoutMs,
  };
}

/** Envoy's cache goes by the time to live wherever it is known. */
export function readDnsCacheConfig(fields: Fields<DnsCacheConfigJson>): DnsCacheConfig {
  const breaker = fields.message('dns_cache_circuit_breaker');
  return {
    name: fields.name('name'),
    ...readResolution(fields),
    refreshMs: positiveDuration(fields, 'dns_refresh_rate', 60_000),
    respectsTtl: true,
    minRefreshMs: positiveDuration(fields, 'dns_min_refresh_rate', 5_000),
    queryTimeoutMs: positiveDuration(fields, 'dns_query_timeout', queryTimeoutMs),
    hostTtlMs: positiveDuration(fields, 'host_ttl', 300_000),
    maxHosts: fields.number('max_hosts', { defaultValue: 1_024, min: 1 }),
    maxPendingRequests: breaker?.number('max_pending_requests', { defaultValue: 1_024 }) ?? 1_024,
  };
}

function readResolution(
  fields: Fields<ClusterJson> | Fields<DnsCacheConfigJson>,
): Pick<DnsPolicy, 'family' | 'servers' | 'failureRefresh'> {
  // Both messages have these fields, of the same types.
  const common = fields as Fields<DnsCacheConfigJson>;
  const failure = common.message('dns_failure_refresh_rate');
  const resolver = common.message('typed_dns_resolver_config');
  const servers = resolver && readServers(resolver);
  return {
    family: common.choice('dns_lookup_family', families),
    // As Node takes them.
    servers:
      servers?.map(({ address, port }) => (isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`)) ?? [],
    failureRefresh: failure && readRefreshRate(failure),
  };
}

function readRefreshRate(fields: Fields<RefreshRateJson>): { baseMs: number; maxMs: number } {
  if (!fields.has('base_interval')) fields.fail('base_interval', 'must be set');
  const baseMs = positiveDuration(fields, 'base_interval', 1_000);
  const maxMs = positiveDuration(fields, 'max_interval', 10 * baseMs);
  if (maxMs < baseMs) fields.fail('max_interval', `must be at least base_interval, ${baseMs} ms, got ${maxMs} ms`);
  return { baseMs, maxMs };
}

/** The servers that are asked. */
export function readServers(resolver: Fields<TypedExtensionConfig>): SocketAddress[] {
  // The type decides; the name is for people.
  resolver.ignore('name');
  const servers = resolver.typed('typed_config', {
    'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig': readCaresServers,
  });
  return servers ?? [];
}

function readCaresServers(fields: Fields<CaresDnsResolverConfig>): SocketAddress[] {
  // Names are looked up as they are written.
  fields.message('dns_resolver_options')?.only('no_default_search_domain', true);
  const servers = fields.list('resolvers', (address) => decodeAddress(address, 1));
  if (servers.length === 0) fields.fail('resolvers', 'must have at least one address');
  return servers;
}

function positiveDuration<T extends object>(
  fields: Fields<T>,
  key: Parameters<Fields<T>['durationMs']>[0],
  defaultMs: number,
): number {
  const ms = fields.durationMs(key, defaultMs);
  if (ms === 0) fields.fail(key, 'must be more than 0s');
  return ms;
}
