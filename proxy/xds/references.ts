/** Who refers to whom: what has to be subscribed, and which clusters must not vanish yet. */
import type { Cluster } from '../api/cluster.ts';
import { filterChainsOf, httpConnectionManagersOf, type Listener, networkFiltersOf } from '../api/listener.ts';
import type { RouteConfiguration } from '../api/route.ts';
import { secretNamesOf } from '../tls/certificate-store.ts';

/** Names to ask EDS for, sorted so that equal sets are equal lists. */
export function assignmentNames(clusters: Iterable<Cluster>): string[] {
  const names = new Set<string>();
  for (const { discovery } of clusters) if (discovery.kind === 'eds') names.add(discovery.serviceName);
  return [...names].sort();
}

/** Names to ask SDS for, sorted. */
export function secretNames(clusters: Iterable<Cluster>, listeners: Iterable<Listener>): string[] {
  const chains = [...listeners].flatMap(filterChainsOf);
  const names = [...clusters, ...chains].flatMap(({ tls }) => (tls === undefined ? [] : secretNamesOf(tls)));
  return [...new Set(names)].sort();
}

/** Names to ask RDS for, sorted. */
export function routeConfigurationNames(listeners: Iterable<Listener>): string[] {
  const names = new Set<string>();
  for (const { routes } of [...listeners].flatMap(httpConnectionManagersOf)) {
    if (routes.kind === 'rds') names.add(routes.routeConfigName);
  }
  return [...names].sort();
}

/** Route configurations that stand in the listeners themselves. */
export function inlineRouteConfigurations(listeners: Iterable<Listener>): RouteConfiguration[] {
  return [...listeners]
    .flatMap(httpConnectionManagersOf)
    .flatMap(({ routes }) => (routes.kind === 'static' ? [routes.routeConfig] : []));
}

/** Names of the clusters that listeners send connections to without asking a route. */
export function proxiedClusterNames(listeners: Iterable<Listener>): string[] {
  return [...listeners]
    .flatMap(networkFiltersOf)
    .flatMap((filter) => (filter.kind === 'tcp_proxy' ? filter.config.clusters.map(({ name }) => name) : []));
}

/** Names of the clusters that requests may be sent to. */
export function routedClusterNames(routeConfigurations: Iterable<RouteConfiguration>): Set<string> {
  const names = new Set<string>();
  for (const { virtualHosts } of routeConfigurations) {
    for (const { routes } of virtualHosts) {
      for (const { action } of routes) {
        if (action.kind === 'route') for (const { name } of action.clusters) names.add(name);
      }
    }
  }
  return names;
}
