/** Virtual hosts of the outbound listener: one per port of each service, and one per host that only rules know. */
import { isHostCoveredBy } from '../../crds/host.ts';
import type { Route, VirtualHost } from '../../proxy/api/envoy.gen.ts';
import type { PushConfig } from '../model/push-context.ts';
import { httpPorts, type Service } from '../model/service.ts';
import type { VirtualService } from '../model/virtual-services.ts';
import { domainsOf, spellingsOf } from './domains.ts';
import { buildDefaultRoute, buildRoutes, destinationHostname } from './routes.ts';

export interface OutboundHost {
  readonly virtualHost: VirtualHost;
  /** Sidecars are on the other side: they are told who calls. */
  readonly isMeshInternal: boolean;
}

interface HostPort {
  readonly hostname: string;
  readonly port: number;
  /** Also serves requests whose Host names no port. */
  readonly isDefaultPort: boolean;
  readonly routes: readonly Route[];
  readonly isMeshInternal: boolean;
}

/** Where a host is served that rules name and no service declares. */
const defaultHttpPort = 80;

/** In the order of hostnames, services first. `namespace`: the client's. */
export function buildOutboundHosts(config: PushConfig, { namespace }: { namespace: string }): OutboundHost[] {
  const hosts = [...config.services.flatMap((service) => serviceHosts(service, config)), ...ruleHosts(config)];
  // Envoy refuses a route configuration in which two virtual hosts claim one domain: a full name beats a short spelling.
  const fullNames = new Set(hosts.flatMap((host) => domainsOf([host.hostname], host)));
  const claimed = new Set<string>();
  return hosts.map((host) => {
    const own = new Set(domainsOf([host.hostname], host));
    const domains = domainsOf(spellingsOf(host.hostname, namespace), host).filter((domain) => {
      if (own.has(domain)) return true;
      const isFree = !fullNames.has(domain) && !claimed.has(domain);
      claimed.add(domain);
      return isFree;
    });
    const virtualHost = { name: `${host.hostname}:${host.port}`, domains, routes: [...host.routes] };
    return { virtualHost, isMeshInternal: host.isMeshInternal };
  });
}

function serviceHosts(service: Service, config: PushConfig): HostPort[] {
  const { hostname } = service;
  const ports = httpPorts(service);
  const defaultPort = ports.find(({ number }) => number === defaultHttpPort) ?? ports[0];
  const rules = httpRules(config.virtualServices.find(hostname));
  return ports.map((port) => ({
    hostname,
    port: port.number,
    isDefaultPort: port === defaultPort,
    isMeshInternal: !service.isMeshExternal,
    routes:
      rules === undefined
        ? [buildDefaultRoute({ port: port.number, subset: '', hostname })]
        : buildRoutes(rules, config, port.number),
  }));
}

/** A wildcard that covers services rules these; it is a virtual host of its own only when it covers none. */
function ruleHosts(config: PushConfig): HostPort[] {
  const hosts: HostPort[] = [];
  for (const [hostname, virtualService] of config.virtualServices.entries()) {
    const rules = httpRules(virtualService);
    if (rules === undefined || config.services.some((service) => isHostCoveredBy(service.hostname, hostname))) continue;
    hosts.push({
      hostname,
      port: defaultHttpPort,
      isDefaultPort: true,
      isMeshInternal: isRoutedIntoMesh(rules, config),
      routes: buildRoutes(rules, config, defaultHttpPort),
    });
  }
  return hosts.sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
}

/** A VirtualService that rules TCP or TLS only leaves HTTP as it is. */
function httpRules(rules: VirtualService | undefined): VirtualService | undefined {
  return rules?.spec.http?.length ? rules : undefined;
}

function isRoutedIntoMesh(rules: VirtualService, config: PushConfig): boolean {
  const destinations = (rules.spec.http ?? []).flatMap(({ route = [] }) => route);
  return destinations.every(({ destination }) => {
    const service = config.serviceByHostname.get(destinationHostname(destination, rules));
    return service !== undefined && !service.isMeshExternal;
  });
}
