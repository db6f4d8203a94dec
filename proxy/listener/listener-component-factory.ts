/** What listeners are made of and do not make themselves (Envoy's `ListenerComponentFactory`). */
import type { DnsFilterConfig } from '../api/dns-filter.ts';
import type { FilterChain, Listener } from '../api/listener.ts';
import type { DownstreamTls } from '../api/tls.ts';
import type { DownstreamTlsContext } from '../tls/downstream-tls.ts';
import type { ConnectionObserver } from './logged-connection.ts';
import type { ActiveNetworkFilter } from './network-filter.ts';
import type { ServingListener } from './serving-listener.ts';

export interface ListenerComponentFactory {
  createFilter(listener: Listener, chain: FilterChain): ActiveNetworkFilter;
  createTls(listener: Listener, tls: DownstreamTls): DownstreamTlsContext;
  createDnsListener(listener: Listener, filter: DnsFilterConfig): ServingListener;
  /** The listener's own, which hear of every connection that it had. */
  createAccessLogs(listener: Listener): readonly ConnectionObserver[];
  /** Whether everything that a listener refers to has arrived. */
  hasRoutes(listener: Listener): boolean;
}
