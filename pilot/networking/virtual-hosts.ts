/** Virtual hosts of the outbound listener: one per port of each service, and one per host that only rules know. */
import { isHostCoveredBy } from '../../crds/host.ts';
import type { Route, VirtualHost } from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import type { PushConfig } from '../model/push-context.ts';
import { followsRequests, httpPorts, type Service } from '../model/service.ts';
import type { ServiceTable } from '../model/services.ts';
import type { VirtualService } from '../model/virtual-services.ts';
import { domainsOf, spellingsOf } from './domains.ts';
import { buildCatchAllHost } from './outbound-policy.ts';
import { limitVirtualHost } from './rate-limits.ts';
import type { OutboundCluster } from './cluster-name.ts';
import { destinationHostname, type RouteContext } from './route-context.ts';
import { buildDefaultRoute, buildRoutes } from './routes.ts';
import { decorateRoutes } from './tracing.ts';

export interface OutboundHost {
  readonly virtualHost: VirtualHost;
  /** Sidecars are on the other side: they are told who calls. */
  readonly isMeshInternal: boolean;
  /** What the routes are made from; undefined where no rules are in force (S20). */
  readonly rules: VirtualService | undefined;
  readonly port: number;
}

interface HostPort {
  readonly hostname: string;
  readonly port: number;
  /** Also serves requests whose Host names no port. */
  readonly isDefaultPort: boolean;
  readonly routes: readonly Route[];
  readonly isMeshInternal: boolean;
  readonly rules: VirtualService | undefined;
}

/** Where a host is served that rules name and no service declares. */
const defaultHttpPort = 80;

/** In the order of hostnames, services first; the one for everything else last. */
export function buildOutboundHosts(config: PushConfig, client: Client): OutboundHost[] {
  const services = config.services.visibleTo(client.namespace);
  const serviced = services.all.flatMap((service) => serviceHosts(service, config, client));
  const hosts = [...serviced, ...ruleHosts(services, config, client)];
  // Envoy refuses a route configuration in which two virtual hosts claim one domain: a full name beats a short spelling.
  const fullNames = new Set(hosts.flatMap((host) => domainsOf([host.hostname], host)));
  const claimed = new Set<string>();
  const declared = hosts.map((host) => {
    const own = new Set(domainsOf([host.hostname], host));
    const domains = domainsOf(spellingsOf(host.hostname, client.namespace), host).filter((domain) => {
      if (own.has(domain)) return true;
      const isFree = !fullNames.has(domain) && !claimed.has(domain);
      claimed.add(domain);
      return isFree;
    });
    const name = `${host.hostname}:${host.port}`;
    // As Istio sets it: an application can tell a retry from a first attempt.
    const routes = decorateRoutes(host.routes, host, config.meshConfig);
    const virtualHost = { name, domains, routes, include_request_attempt_count: true };
    const limits = config.rateLimits.get(host.hostname) ?? [];
    const { isMeshInternal, rules, port } = host;
    return { virtualHost: limitVirtualHost(virtualHost, limits, client), isMeshInternal, rules, port };
  });
  const others = { virtualHost: buildCatchAllHost(config, client), isMeshInternal: false };
  return [...declared, { ...others, rules: undefined, port: defaultHttpPort }];
}

function serviceHosts(service: Service, config: PushConfig, client: Client): HostPort[] {
  const { hostname } = service;
  const ports = httpPorts(service);
  // Where requests say themselves where they go, one without a port goes to port 80 and to no other.
  const defaultPort =
    ports.find(({ number }) => number === defaultHttpPort) ?? (followsRequests(service) ? undefined : ports[0]);
  const rules = httpRules(config.virtualServices.visibleTo(client.namespace).find(hostname));
  return ports.map((port) => ({
    hostname,
    port: port.number,
    isDefaultPort: port === defaultPort,
    isMeshInternal: !service.isMeshExternal,
    rules,
    routes: buildServiceRoutes({ port: port.number, subset: '', hostname }, { rules, config, client }),
  }));
}

/** Rules of which none is for this client and port are as good as none, as in Istio. */
function buildServiceRoutes(
  cluster: OutboundCluster,
  { rules, config, client }: Pick<RouteContext, 'config' | 'client'> & { readonly rules: VirtualService | undefined },
): Route[] {
  const routes = rules === undefined ? [] : buildRoutes({ rules, config, client, port: cluster.port });
  return routes.length > 0 ? routes : [buildDefaultRoute(cluster, { config, client })];
}

/** A wildcard that covers services rules these; it is a virtual host of its own only when it covers none. */
function ruleHosts(services: ServiceTable, config: PushConfig, client: Client): HostPort[] {
  const hosts: HostPort[] = [];
  for (const [hostname, virtualService] of config.virtualServices.visibleTo(client.namespace).entries()) {
    const rules = httpRules(virtualService);
    if (rules === undefined || services.all.some((service) => isHostCoveredBy(service.hostname, hostname))) continue;
    const routes = buildRoutes({ rules, config, client, port: defaultHttpPort });
    if (routes.length === 0) continue;
    const isMeshInternal = isRoutedIntoMesh(rules, services);
    hosts.push({ hostname, port: defaultHttpPort, isDefaultPort: true, isMeshInternal, rules, routes });
  }
  return hosts.sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
}

/** A VirtualService that rules TCP or TLS only leaves HTTP as it is. */
function httpRules(rules: VirtualService | undefined): VirtualService | undefined {
  return rules?.spec.http?.length ? rules : undefined;
}

function isRoutedIntoMesh(rules: VirtualService, services: ServiceTable): boolean {
  const destinations = (rules.spec.http ?? []).flatMap(({ route = [] }) => route);
  return destinations.every(({ destination }) => {
    const service = services.find(destinationHostname(destination, rules));
    return service !== undefined && !service.isMeshExternal;
  });
}
