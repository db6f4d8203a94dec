/**
 * Envoy's `envoy.filters.http.dynamic_forward_proxy`: holds a request until the host that it names is looked up. Requests
 * to clusters whose configured names are not looked up yet wait here too, where Envoy would not use the cluster yet.
 */
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import { WheelTimer } from '../common/timer-wheel.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import type { HttpStream } from '../http/stream.ts';
import { currentRoute } from '../router/current-route.ts';
import { requestTimeoutMs } from '../router/request-timeout.ts';
import { destinationOf } from '../upstream/dns/destination.ts';
import type { DnsCache } from '../upstream/dns/dns-cache.ts';
import type { DnsName, DnsUser } from '../upstream/dns/dns-name.ts';
import type { HostDiscovery } from '../upstream/dns/host-discovery.ts';
import type { FilterContext } from './filter-context.ts';

interface ForwardProxyScope {
  readonly cache: DnsCache;
  readonly context: FilterContext;
}

export function createDynamicForwardProxyFactory(context: FilterContext, { config }: HttpFilterConfig): FilterFactory {
  if (config?.kind !== 'dynamic_forward_proxy') throw new Error('the filter is decoded with its cache');
  const scope: ForwardProxyScope = { cache: context.clusters.dns.cache(config.cache), context };
  return (stream) => new DynamicForwardProxyFilter(stream, scope);
}

class DynamicForwardProxyFilter implements HttpFilter, DnsUser {
  readonly #stream: HttpStream;
  readonly #scope: ForwardProxyScope;
  #timer: WheelTimer | undefined = undefined;
  #timeoutMs = 0;
  #awaited: DnsName | undefined = undefined;

  constructor(stream: HttpStream, scope: ForwardProxyScope) {
    this.#stream = stream;
    this.#scope = scope;
  }

  decodeHeaders(): FilterStatus {
    const { routes, clusters } = this.#scope.context;
    const route = currentRoute(this.#stream, routes);
    if (route === undefined) return 'continue';
    for (let i = 0; i < route.clusters.length; i++) {
      const discovery = clusters.get(route.clusters[i]?.name ?? '')?.discovery;
      if (discovery === undefined) continue;
      const outcome = this.#prepare(discovery);
      if (outcome === undefined) continue;
      if (!(outcome instanceof MeshError)) return this.#wait(outcome);
      // The router may choose another of several.
      if (route.clusters.length === 1) return this.#fail(outcome);
    }
    return 'continue';
  }

  /** What stands in the way of the request; undefined when nothing does. */
  #prepare(discovery: HostDiscovery): DnsName | MeshError | undefined {
    if (discovery.cache === undefined) return discovery.prepare(undefined);
    // Another cache is another filter's, as in Envoy.
    if (discovery.cache !== this.#scope.cache) return undefined;
    const { authority } = this.#stream.request;
    const destination = destinationOf(authority);
    if (destination === undefined) {
      return new MeshError('dns_failure', `"${authority}" is neither a host name nor an IP address`);
    }
    this.#stream.destination = destination.key;
    return discovery.prepare(destination);
  }

  #fail(error: MeshError): FilterStatus {
    this.#stream.sendLocalReply(error);
    return 'stop';
  }

  #wait(name: DnsName): FilterStatus {
    const { cache, context } = this.#scope;
    if (!cache.beginWaiting()) {
      const { maxPendingRequests } = cache.config;
      return this.#fail(new MeshError('overflow', `${maxPendingRequests} requests wait for DNS already`));
    }
    this.#awaited = name;
    name.addUser(this);
    const { route, request, startMs, isRequestComplete } = this.#stream;
    if (route?.action.kind === 'route' && isRequestComplete) {
      this.#timeoutMs = requestTimeoutMs(route.action, request);
      this.#timer ??= new WheelTimer(() => this.#onTimeout());
      if (this.#timeoutMs > 0) context.timers.arm(this.#timer, this.#timeoutMs, startMs);
    }
    return 'stop';
  }

  #onTimeout(): void {
    const reason = `no response within ${this.#timeoutMs} ms: ${this.#awaited?.name} is still being looked up`;
    this.#stream.sendLocalReply(new MeshError('upstream_timeout', reason));
  }

  onLookedUp(): void {
    this.#stopWaiting();
    if (this.decodeHeaders() === 'continue') this.#stream.continueDecoding();
  }

  #stopWaiting(): void {
    const name = this.#awaited;
    if (name === undefined) return;
    this.#awaited = undefined;
    name.removeUser(this);
    this.#scope.cache.endWaiting();
    if (this.#timer !== undefined) this.#scope.context.timers.disarm(this.#timer);
  }

  onDestroy(): void {
    this.#stopWaiting();
  }
}
