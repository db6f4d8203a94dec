/** What a DNS listener answers, decoded from `envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig`. */
import type { SocketAddress } from './address-decoder.ts';

export interface DnsFilterConfig {
  readonly statPrefix: string;
  /** Names that are answered here; each once. */
  readonly virtualDomains: readonly DnsVirtualDomain[];
  /** Where questions about other names go; undefined: those names do not exist. */
  readonly forwarding: DnsForwarding | undefined;
}

export interface DnsVirtualDomain {
  /** Lower case, without a dot at the end; `*.example.com` stands for every name under it that has no entry of its own. */
  readonly name: string;
  /** At least one, IPv4 and IPv6. */
  readonly addresses: readonly string[];
  /** How long an answer may be remembered; at least 30, Envoy's default is 300. */
  readonly ttlSeconds: number;
}

export interface DnsForwarding {
  /** Asked in this order; empty: those of the system. */
  readonly resolvers: readonly SocketAddress[];
  /** For one round through the resolvers; at least 1,000, Envoy's default is 500. */
  readonly timeoutMs: number;
  /** Further rounds when one has brought nothing. Envoy's default is 0. */
  readonly retries: number;
  /** Questions that wait for resolvers; what comes beyond is answered SERVFAIL. */
  readonly maxPendingLookups: number;
}
