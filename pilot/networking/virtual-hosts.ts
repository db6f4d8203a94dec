/** Virtual hosts of the outbound listener: one per port of each service, and one per host that only rules know. */
import { isIPv6 } from 'node:net';
import { isHostCoveredBy } from '../../crds/host.ts';
import type { Route, VirtualHost } from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import { addressesOf, type PushConfig } from '../model/push-context.ts';
import {
  connectionPorts,
  followsRequests,
  httpPorts,
  interceptedProtocol,
  isHeadless,
  type Service,
} from '../model/service.ts';
import type { ServiceTable } from '../model/services.ts';
import type { VirtualService } from '../model/virtual-services.ts';
import { domainsOf, spellingsOf } from './domains.ts';
import { soleAddressOf } from './filter-chain-match.ts';
import { buildCatchAllHost } from './outbound-policy.ts';
import { limitVirtualHost } from './rate-limits.ts';
import { originalDestinationSubset, type OutboundCluster } from './cluster-name.ts';
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
  /** By which it is called beside its names, as they stand in a Host; default none. */
  readonly aliases?: readonly string[];
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
  return withCatchAll([...serviced, ...ruleHosts(services, config, client)], config, client);
}

function withCatchAll(hosts: readonly HostPort[], config: PushConfig, client: Client): OutboundHost[] {
  // Envoy refuses a route configuration in which two virtual hosts claim one domain: a full name beats a short spelling.
  const fullNames = new Set(hosts.flatMap((host) => domainsOf([host.hostname], host)));
  const claimed = new Set<string>();
  const declared = hosts.map((host) => {
    const own = new Set(domainsOf([host.hostname], host));
    const spellings = [...spellingsOf(host.hostname, client.namespace), ...(host.aliases ?? [])];
    const domains = domainsOf(spellings, host).filter((domain) => {
      if (own.has(domain)) return true;
      const isFree = !fullNames.has(domain) && !claimed.has(domain);
      claimed.add(domain);
      return isFree;
    });
    return buildHost(host, domains, { config, client });
  });
  const others = { virtualHost: buildCatchAllHost(config, client), isMeshInternal: false };
  return [...declared, { ...others, rules: undefined, port: defaultHttpPort }];
}

/** As an IPv6 address stands in a Host. */
function bracketed(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

function buildHost(
  host: HostPort,
  domains: string[],
  { config, client }: Pick<RouteContext, 'config' | 'client'>,
): OutboundHost {
  const name = `${host.hostname}:${host.port}`;
  // As Istio sets it: an application can tell a retry from a first attempt.
  const routes = decorateRoutes(host.routes, host, config.meshConfig);
  const virtualHost = { name, domains, routes, include_request_attempt_count: true };
  const limits = config.rateLimits.get(host.hostname) ?? [];
  const { isMeshInternal, rules, port } = host;
  return { virtualHost: limitVirtualHost(virtualHost, limits, client), isMeshInternal, rules, port };
}

/** Names of route configurations where connections are intercepted, as Istio writes them: of a port of all services … */
export function portRouteName(port: number): string {
  return String(port);
}

/** … and of a port of one service, whose connections nobody else has. */
export function serviceRouteName(hostname: string, port: number): string {
  return `${hostname}:${port}`;
}

/** … and the same where connections were made for one of its workloads. */
export function workloadRouteName(hostname: string, port: number): string {
  return `${workloadRoutePrefix}${serviceRouteName(hostname, port)}`;
}

const workloadRoutePrefix = `${originalDestinationSubset}|`;

/** The virtual hosts of one of these; undefined when there is none of that name. */
export function buildInterceptedHosts(
  config: PushConfig,
  client: Client,
  routeName: string,
): OutboundHost[] | undefined {
  if (routeName.startsWith(workloadRoutePrefix)) {
    return buildWorkloadHosts(config, client, routeName.slice(workloadRoutePrefix.length));
  }
  const [, hostname, number = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(routeName) ?? [];
  const port = Number(number);
  const services = config.services.visibleTo(client.namespace);
  if (hostname !== undefined) {
    const service = services.find(hostname);
    const host = service && interceptedHost(service, port, { config, client });
    return host && [buildHost(host, ['*'], { config, client })];
  }
  if (number === '') return undefined;
  const serviced = services.all.flatMap((service) => {
    const host = interceptedHost(service, port, { config, client });
    return host === undefined ? [] : [host, ...workloadNames(service, port, { config, client })];
  });
  const ruled = port === defaultHttpPort ? ruleHosts(services, config, client) : [];
  return withCatchAll([...serviced, ...ruled], config, client);
}

/** Who asks for the service at one of its workloads means the service; any other name leads to that workload. */
function buildWorkloadHosts(config: PushConfig, client: Client, serviceName: string): OutboundHost[] | undefined {
  const colon = serviceName.lastIndexOf(':');
  const service = config.services.visibleTo(client.namespace).find(serviceName.slice(0, colon));
  const host = service && interceptedHost(service, Number(serviceName.slice(colon + 1)), { config, client });
  if (host === undefined) return undefined;
  const domains = domainsOf(spellingsOf(host.hostname, client.namespace), host);
  return [
    buildHost(host, domains, { config, client }),
    buildHost(atOriginalDestination(host, '*', { config, client }), ['*'], { config, client }),
  ];
}

/** Names of single workloads of a service without any address: `db-0.db` leads where a resolver says it is. */
function workloadNames(
  service: Service,
  port: number,
  context: Pick<RouteContext, 'config' | 'client'>,
): readonly HostPort[] {
  const { config, client } = context;
  const { hostname } = service;
  const wildcard = `*.${hostname}`;
  const isDeclared =
    config.services.find(wildcard) !== undefined ||
    config.virtualServices.visibleTo(client.namespace).find(wildcard) !== undefined;
  const host = interceptedHost(service, port, context);
  if (host === undefined || !isHeadless(service) || hostname.startsWith('*') || isDeclared) return [];
  const [, ...others] = spellingsOf(hostname, client.namespace);
  const aliases = others.map((name) => `*.${name}`);
  return [{ ...atOriginalDestination(host, wildcard, context), aliases }];
}

function atOriginalDestination(
  host: HostPort,
  hostname: string,
  context: Pick<RouteContext, 'config' | 'client'>,
): HostPort {
  const cluster = { port: host.port, subset: originalDestinationSubset, hostname: host.hostname };
  return { ...host, hostname, aliases: [], rules: undefined, routes: [buildDefaultRoute(cluster, context)] };
}

/** Whether there are hosts that rules name and no service declares. */
export function hasRuleHosts(config: PushConfig, client: Client): boolean {
  return ruleHosts(config.services.visibleTo(client.namespace), config, client).length > 0;
}

/** A port of its own listener is the only one that is called: a Host needs not name it. */
function interceptedHost(
  service: Service,
  port: number,
  { config, client }: Pick<RouteContext, 'config' | 'client'>,
): HostPort | undefined {
  const servicePort = connectionPorts(service).find(({ number }) => number === port);
  const protocol = servicePort && interceptedProtocol(servicePort);
  if (protocol !== 'HTTP' && protocol !== 'UNSUPPORTED') return undefined;
  const { hostname, isMeshExternal } = service;
  const rules = httpRules(config.virtualServices.visibleTo(client.namespace).find(hostname));
  return {
    hostname,
    aliases: addressesOf(service, config)
      .flatMap((address) => soleAddressOf(address) ?? [])
      .map(bracketed),
    port,
    isDefaultPort: true,
    isMeshInternal: !isMeshExternal,
    rules,
    routes: buildServiceRoutes({ port, subset: '', hostname }, { rules, config, client }),
  };
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

/** All of its destinations are sidecars', as far as is known. */
export function isRoutedIntoMesh(rules: VirtualService, services: ServiceTable): boolean {
  const destinations = (rules.spec.http ?? []).flatMap(({ route = [] }) => route);
  return destinations.every(({ destination }) => {
    const service = services.find(destinationHostname(destination, rules));
    return service !== undefined && !service.isMeshExternal;
  });
}
