/** How names are looked up, decoded from `envoy.config.cluster.v3.Cluster` and `…dynamic_forward_proxy.v3.DnsCacheConfig`. */

/** `AUTO` takes IPv4 only when there is no IPv6, `V4_PREFERRED` the other way round, `ALL` both. */
export type DnsLookupFamily = 'AUTO' | 'V4_ONLY' | 'V6_ONLY' | 'V4_PREFERRED' | 'ALL';

/** What makes two lookups of one name the same. */
export interface DnsPolicy {
  readonly family: DnsLookupFamily;
  /** DNS servers, `ip:port`; empty asks the system, hosts file included. */
  readonly servers: readonly string[];
  /** Until a name is looked up again. Envoy's defaults: 5,000 in clusters, 60,000 in caches. */
  readonly refreshMs: number;
  /** The answer's own time to live, where the resolver tells it, counts instead of `refreshMs`. */
  readonly respectsTtl: boolean;
  /** However short the time to live is. */
  readonly minRefreshMs: number;
  /** After a lookup that failed: back-off from `baseMs` to `maxMs`; undefined: `refreshMs`. */
  readonly failureRefresh: { readonly baseMs: number; readonly maxMs: number } | undefined;
  /** Envoy's default is 5,000. */
  readonly queryTimeoutMs: number;
}

/** Caches of one name and one configuration are one cache. */
export interface DnsCacheConfig extends DnsPolicy {
  readonly name: string;
  /** A host that nobody asks for is forgotten after this long; Envoy's default is 300,000. */
  readonly hostTtlMs: number;
  /** Envoy's default is 1,024. */
  readonly maxHosts: number;
  /** Requests that may wait for lookups; Envoy's default is 1,024. */
  readonly maxPendingRequests: number;
}
