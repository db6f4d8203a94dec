/** Who refers to whom: what has to be subscribed, and which clusters must not vanish yet. */
import type { Cluster } from '../api/cluster.ts';
import type { Listener } from '../api/listener.ts';
import type { RouteConfiguration } from '../api/route.ts';

/** Names to ask EDS for, sorted so that equal sets are equal lists. */
export function assignmentNames(clusters: Iterable<Cluster>): string[] {
  const names = new Set<string>();
  for (const { discovery } of clusters) if (discovery.kind === 'eds') names.add(discovery.serviceName);
  return [...names].sort();
}

/** Names to ask RDS for, sorted. */
export function routeConfigurationNames(listeners: Iterable<Listener>): string[] {
  const names = new Set<string>();
  for (const { filterChains } of listeners) {
    for (const { httpConnectionManager } of filterChains) {
      const { routes } = httpConnectionManager;
      if (routes.kind === 'rds') names.add(routes.routeConfigName);
    }
  }
  return [...names].sort();
}

/** Route configurations that stand in the listeners themselves. */
export function inlineRouteConfigurations(listeners: Iterable<Listener>): RouteConfiguration[] {
  return [...listeners].flatMap(({ filterChains }) =>
    filterChains.flatMap(({ httpConnectionManager: { routes } }) =>
      routes.kind === 'static' ? [routes.routeConfig] : [],
    ),
  );
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
