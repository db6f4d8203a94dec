/**
 * Pure: a route configuration compiled into what the request path reads. Host → virtual host → first route that matches.
 * Domain order is Envoy's: exact, then the longest `*.suffix`, then the longest `prefix.*`, then `*` (semantics S19).
 */
import type { FilterConfigs } from '../api/filter-config.ts';
import type { Route, RouteAction, RouteConfiguration, VirtualHost } from '../api/route.ts';
import type { Decorator, RouteTracing } from '../api/tracing.ts';
import type { StatsStore } from '../common/stats.ts';
import type { RequestHead } from '../http/message-head.ts';
import { type HeaderRules, compileHeaderRules } from './header-rules.ts';
import { type RequestHasher, compileHashPolicies } from './hash-policy.ts';
import { type PathRewriter, compilePathRewrite } from './path-rewrite.ts';
import { type Redirector, compileRedirect } from './redirect.ts';
import { lacksTls, tlsRedirectRoute } from './tls-redirect.ts';
import { type CompiledRetryPolicy, compileRetryPolicy } from './retry-conditions.ts';
import { type RouteCluster, compileRouteClusters } from './route-cluster.ts';
import { type Descriptor, compileDescriptor } from './rate-limit-descriptor.ts';
import { minIndexedRoutes } from './route-candidates.ts';
import { withoutPort } from './request-path.ts';
import { literalOf, RouteIndex } from './route-index.ts';
import { type RequestPredicate, compileRouteMatch } from './route-match.ts';
import { RouteStats } from './route-stats.ts';

export interface CompiledRoute {
  readonly name: string;
  readonly matches: RequestPredicate;
  readonly action: Route['action'];
  /** For what the proxy answers itself; requests that go on get those of their cluster. */
  readonly headers: HeaderRules;
  /** Empty when the route leads to no cluster. */
  readonly clusters: readonly RouteCluster[];
  /** Undefined leaves the path as it is. */
  readonly rewritePath: PathRewriter | undefined;
  /** Of a redirect. */
  readonly redirect: Redirector | undefined;
  /** Undefined when the route retries nothing. */
  readonly retryPolicy: CompiledRetryPolicy | undefined;
  /** A request whose body is larger is not retried. */
  readonly bufferLimitBytes: number;
  /** `x-envoy-attempt-count` goes upstream. */
  readonly includesAttemptCount: boolean;
  /** By the name of the filter, from the innermost level that names it; undefined when no level names any. */
  readonly filterConfigs: FilterConfigs | undefined;
  /** By stage; empty for most routes. */
  readonly rateLimits: ReadonlyMap<number, readonly Descriptor[]>;
  /** Running sums of the cluster weights, for weighted clusters. */
  readonly cumulativeWeights: readonly number[];
  /** Undefined when the route has no hash policies. */
  readonly hashRequest: RequestHasher | undefined;
  /** What spans are called; undefined: after the host. */
  readonly decorator: Decorator | undefined;
  /** Undefined for routes without a `stat_prefix`. */
  readonly stats: RouteStats | undefined;
  /** Undefined: what the connection manager says. */
  readonly tracing: RouteTracing | undefined;
}

interface CompiledVirtualHost {
  readonly name: string;
  readonly requiresTls: VirtualHost['requiresTls'];
  /** For requests that have to come by TLS; undefined when none has to. */
  readonly tlsRedirect: CompiledRoute | undefined;
  readonly routes: readonly CompiledRoute[];
  /** Undefined when there are only a few routes. */
  readonly index: RouteIndex | undefined;
}

export interface FoundVirtualHost {
  readonly name: string;
  readonly domain: string;
  readonly routes: readonly CompiledRoute[];
}

interface WildcardDomain {
  /** The literal part: `.foo.com` of `*.foo.com`, `foo.` of `foo.*`. */
  readonly literal: string;
  readonly virtualHost: CompiledVirtualHost;
}

export class RouteTable {
  readonly name: string;
  readonly #exact = new Map<string, CompiledVirtualHost>();
  readonly #suffixes: WildcardDomain[] = [];
  readonly #prefixes: WildcardDomain[] = [];
  #catchAll: CompiledVirtualHost | undefined = undefined;
  readonly #ignoresPort: boolean;

  /** `stats`: where routes with a `stat_prefix` count; a table that serves nobody needs none. */
  constructor(config: RouteConfiguration, stats?: StatsStore) {
    this.name = config.name;
    this.#ignoresPort = config.ignoresPort;
    for (const virtualHost of config.virtualHosts) {
      const compiled = compileVirtualHost(virtualHost, config, stats);
      for (const domain of virtualHost.domains) this.#addDomain(domain.toLowerCase(), compiled);
    }
    const longestFirst = (a: WildcardDomain, b: WildcardDomain): number => b.literal.length - a.literal.length;
    this.#suffixes.sort(longestFirst);
    this.#prefixes.sort(longestFirst);
  }

  #addDomain(domain: string, virtualHost: CompiledVirtualHost): void {
    if (domain === '*') this.#catchAll = virtualHost;
    else if (domain.startsWith('*')) this.#suffixes.push({ literal: domain.slice(1), virtualHost });
    else if (domain.endsWith('*')) this.#prefixes.push({ literal: domain.slice(0, -1), virtualHost });
    else this.#exact.set(domain, virtualHost);
  }

  /** The first route of the request's virtual host that matches. */
  match(head: RequestHead): CompiledRoute | undefined {
    const host = this.#ignoresPort ? withoutPort(head.authority) : head.authority;
    const virtualHost = this.#exact.get(host) ?? this.#findVirtualHost(host.toLowerCase());
    if (virtualHost === undefined) return undefined;
    const { routes, index, tlsRedirect } = virtualHost;
    if (tlsRedirect !== undefined && lacksTls(head, virtualHost.requiresTls)) return tlsRedirect;
    if (index !== undefined) return index.find(head);
    for (let i = 0; i < routes.length; i++) {
      const route = routes[i];
      if (route?.matches(head) === true) return route;
    }
    return undefined;
  }

  /** For people: the virtual host of a Host, and the domain by which it is found. */
  virtualHostOf(authority: string): FoundVirtualHost | undefined {
    const host = (this.#ignoresPort ? withoutPort(authority) : authority).toLowerCase();
    const virtualHost = this.#findVirtualHost(host);
    if (virtualHost === undefined) return undefined;
    const { name, routes } = virtualHost;
    if (this.#exact.has(host)) return { name, routes, domain: host };
    const wildcard = this.#findWildcard(host);
    if (wildcard === undefined) return { name, routes, domain: '*' };
    const { literal } = wildcard;
    return { name, routes, domain: this.#suffixes.includes(wildcard) ? `*${literal}` : `${literal}*` };
  }

  /** `host` is lower case. */
  #findVirtualHost(host: string): CompiledVirtualHost | undefined {
    return this.#exact.get(host) ?? this.#findWildcard(host)?.virtualHost ?? this.#catchAll;
  }

  /** A wildcard never stands for nothing. */
  #findWildcard(host: string): WildcardDomain | undefined {
    for (const wildcard of this.#suffixes) {
      if (host.length > wildcard.literal.length && host.endsWith(wildcard.literal)) return wildcard;
    }
    for (const wildcard of this.#prefixes) {
      if (host.length > wildcard.literal.length && host.startsWith(wildcard.literal)) return wildcard;
    }
    return undefined;
  }
}

function compileVirtualHost(
  virtualHost: VirtualHost,
  config: RouteConfiguration,
  stats: StatsStore | undefined,
): CompiledVirtualHost {
  const indexed = virtualHost.routes.map((route) => ({
    route: { ...compileRoute(route, virtualHost, config), stats: statsOf(route, virtualHost, stats) },
    headers: route.match.headers,
    literal: literalOf(route.match.path),
  }));
  const { requiresTls } = virtualHost;
  const redirect = requiresTls === 'NONE' ? undefined : compileRoute(tlsRedirectRoute, virtualHost, config);
  return {
    name: virtualHost.name,
    requiresTls,
    tlsRedirect: redirect && { ...redirect, stats: undefined },
    routes: indexed.map(({ route }) => route),
    index: indexed.length < minIndexedRoutes ? undefined : new RouteIndex(indexed),
  };
}

/** Envoy's default of `per_connection_buffer_limit_bytes`, which holds where a route gives no limit. */
const defaultBufferLimitBytes = 1_048_576;

function statsOf({ statPrefix }: Route, { name }: VirtualHost, stats: StatsStore | undefined): RouteStats | undefined {
  return statPrefix === '' || stats === undefined ? undefined : new RouteStats(stats, name, statPrefix);
}

function compileRoute(
  route: Route,
  virtualHost: VirtualHost,
  config: RouteConfiguration,
): Omit<CompiledRoute, 'stats'> {
  let sum = 0;
  const { action } = route;
  const levels = [route.headers, virtualHost.headers, config.headers];
  const pathRewrite = action.kind === 'route' ? action.pathRewrite : undefined;
  const hash = route.action.kind === 'route' ? route.action.hash : undefined;
  return {
    name: route.name,
    matches: compileRouteMatch(route.match),
    action: route.action,
    rateLimits: route.action.kind === 'route' ? compileRateLimits(route.action.rateLimits) : noRateLimits,
    filterConfigs: mergeFilterConfigs([config.filterConfigs, virtualHost.filterConfigs, route.filterConfigs]),
    headers: compileHeaderRules(levels),
    clusters: action.kind === 'route' ? compileRouteClusters(action, levels) : [],
    rewritePath: pathRewrite && compilePathRewrite(pathRewrite, route.match.path),
    redirect: action.kind === 'redirect' ? compileRedirect(action, route.match.path) : undefined,
    cumulativeWeights: route.action.kind === 'route' ? route.action.clusters.map(({ weight }) => (sum += weight)) : [],
    retryPolicy: action.kind === 'route' && action.retryPolicy ? compileRetryPolicy(action.retryPolicy) : undefined,
    bufferLimitBytes: route.bufferLimitBytes ?? virtualHost.bufferLimitBytes ?? defaultBufferLimitBytes,
    includesAttemptCount: virtualHost.includesAttemptCount,
    hashRequest: hash && compileHashPolicies(hash.policies),
    decorator: route.decorator,
    tracing: route.tracing,
  };
}

const noRateLimits: CompiledRoute['rateLimits'] = new Map();

function compileRateLimits(rateLimits: RouteAction['rateLimits']): CompiledRoute['rateLimits'] {
  if (rateLimits.length === 0) return noRateLimits;
  const byStage = new Map<number, Descriptor[]>();
  for (const rateLimit of rateLimits) {
    byStage.set(rateLimit.stage, [...(byStage.get(rateLimit.stage) ?? []), compileDescriptor(rateLimit)]);
  }
  return byStage;
}

/** `levels` from the outermost to the innermost. */
function mergeFilterConfigs(levels: readonly (FilterConfigs | undefined)[]): FilterConfigs | undefined {
  const configured = levels.filter((level) => level !== undefined);
  return configured.length > 1 ? Object.assign({}, ...configured) : configured[0];
}

/**
 * The cluster of one request, undefined when the route has none: weights are relative to their sum (semantics S15). `random` is in [0, 1). Where the
 * route says so, `hash`, an integer, decides instead (B5): the clusters' shares lie behind one another, so a share that
 * grows takes from its neighbour and all others stay where they are.
 */
export function chooseCluster(
  route: CompiledRoute,
  action: RouteAction,
  random: () => number,
  hash?: number,
): RouteCluster | undefined {
  const { clusters, cumulativeWeights } = route;
  if (clusters.length === 1) return clusters[0];
  const total = cumulativeWeights[cumulativeWeights.length - 1] ?? 0;
  const isByHash = hash !== undefined && action.hash?.choosesCluster === true;
  const point = isByHash ? hash % total : random() * total;
  let index = 0;
  while (index < clusters.length - 1 && point >= (cumulativeWeights[index] ?? 0)) index++;
  return clusters[index];
}
