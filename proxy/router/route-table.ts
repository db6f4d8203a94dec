/**
 * Pure: a route configuration compiled into what the request path reads. Host → virtual host → first route that matches.
 * Domain order is Envoy's: exact, then the longest `*.suffix`, then the longest `prefix.*`, then `*` (semantics S19).
 */
import type { DirectResponseAction, Route, RouteAction, RouteConfiguration, VirtualHost } from '../api/route.ts';
import type { RequestHead } from '../http/message-head.ts';
import { type HeaderRules, compileHeaderRules } from './header-rules.ts';
import { type RequestPredicate, compileRouteMatch } from './route-match.ts';

export interface CompiledRoute {
  readonly name: string;
  readonly matches: RequestPredicate;
  readonly action: RouteAction | DirectResponseAction;
  readonly headers: HeaderRules;
  /** Running sums of the cluster weights, for weighted clusters. */
  readonly cumulativeWeights: readonly number[];
}

interface CompiledVirtualHost {
  readonly name: string;
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

  constructor(config: RouteConfiguration) {
    this.name = config.name;
    for (const virtualHost of config.virtualHosts) {
      const compiled = compileVirtualHost(virtualHost, config);
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
    const virtualHost = this.#exact.get(head.authority) ?? this.#findVirtualHost(head.authority.toLowerCase());
    if (virtualHost === undefined) return undefined;
    const { routes } = virtualHost;
    for (let i = 0; i < routes.length; i++) {
      const route = routes[i];
      if (route?.matches(head) === true) return route;
    }
    return undefined;
  }

  /** `host` is lower case. A wildcard never stands for nothing. */
  #findVirtualHost(host: string): CompiledVirtualHost | undefined {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    for (const { literal, virtualHost } of this.#suffixes) {
      if (host.length > literal.length && host.endsWith(literal)) return virtualHost;
    }
    for (const { literal, virtualHost } of this.#prefixes) {
      if (host.length > literal.length && host.startsWith(literal)) return virtualHost;
    }
    return this.#catchAll;
  }
}

function compileVirtualHost(virtualHost: VirtualHost, config: RouteConfiguration): CompiledVirtualHost {
  return {
    name: virtualHost.name,
    routes: virtualHost.routes.map((route) => compileRoute(route, virtualHost, config)),
  };
}

function compileRoute(route: Route, virtualHost: VirtualHost, config: RouteConfiguration): CompiledRoute {
  let sum = 0;
  return {
    name: route.name,
    matches: compileRouteMatch(route.match),
    action: route.action,
    headers: compileHeaderRules([route.headers, virtualHost.headers, config.headers]),
    cumulativeWeights: route.action.kind === 'route' ? route.action.clusters.map(({ weight }) => (sum += weight)) : [],
  };
}

/** Name of the cluster for one request: weights are relative to their sum (semantics S15). `random` is in [0, 1). */
export function chooseCluster(route: CompiledRoute, action: RouteAction, random: () => number): string {
  const { clusters } = action;
  if (clusters.length === 1) return clusters[0]?.name ?? '';
  const { cumulativeWeights } = route;
  const point = random() * (cumulativeWeights[cumulativeWeights.length - 1] ?? 0);
  let index = 0;
  while (index < clusters.length - 1 && point >= (cumulativeWeights[index] ?? 0)) index++;
  return clusters[index]?.name ?? '';
}
