/** One of the clusters that a route leads to, with what is done to requests on their way there. */
import type { HeaderMutations, RouteAction, WeightedCluster } from '../api/route.ts';
import { type HeaderRules, compileHeaderRules } from './header-rules.ts';

export interface RouteCluster {
  readonly name: string;
  /** Of the cluster's entry and of all levels around it. */
  readonly headers: HeaderRules;
  /** Undefined leaves the Host as it is. */
  readonly hostRewrite: string | undefined;
}

/** `outer`: the header rules from the route to the route configuration. As in Envoy the route's Host beats the cluster's. */
export function compileRouteClusters(action: RouteAction, outer: readonly HeaderMutations[]): RouteCluster[] {
  return action.clusters.map((cluster: WeightedCluster) => ({
    name: cluster.name,
    headers: compileHeaderRules([cluster.headers, ...outer]),
    hostRewrite: action.hostRewrite ?? cluster.hostRewrite,
  }));
}
