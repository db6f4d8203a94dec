/** Virtual hosts of a gateway's listeners: one per host of its servers that a VirtualService rules. */
import type { Route, VirtualHost } from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import type { GatewayListener, MergedServer } from '../model/gateways.ts';
import type { PushConfig } from '../model/push-context.ts';
import { boundRules } from './gateway-hosts.ts';
import { limitVirtualHost } from './rate-limits.ts';
import { isCatchAll } from './route-match.ts';
import { buildRoutes } from './routes.ts';
import { decorateRoutes } from './tracing.ts';
import { isRoutedIntoMesh, type OutboundHost } from './virtual-hosts.ts';

interface GatewayHost {
  readonly hostname: string;
  readonly routes: Route[];
  isMeshInternal: boolean;
  requiresTls: boolean;
}

/** The virtual hosts of the route configuration of this name; undefined when no server has it. */
export function buildGatewayHosts(
  listeners: readonly GatewayListener[],
  routeName: string,
  { config, client }: { readonly config: PushConfig; readonly client: Client },
): OutboundHost[] | undefined {
  const servers = listeners.flatMap(({ servers }) => servers).filter((server) => server.routeName === routeName);
  const [first] = servers;
  if (first === undefined) return undefined;
  const hosts = new Map<string, GatewayHost>();
  for (const server of servers) addServer(server, hosts, { config, client });
  if (hosts.size === 0) return [nothingServed(first.port)];
  return [...hosts.values()]
    .sort((a, b) => (a.hostname < b.hostname ? -1 : 1))
    .map((host) => buildHost(host, first.port, { config, client }));
}

type Context = Parameters<typeof buildGatewayHosts>[2];

/** Rules of several VirtualServices for a host follow each other, and what takes every request comes last (S4). */
function addServer(server: MergedServer, hosts: Map<string, GatewayHost>, { config, client }: Context): void {
  const { port } = server.server;
  const requiresTls = server.server.tls?.httpsRedirect === true;
  const find = (hostname: string): GatewayHost => {
    const known = hosts.get(hostname) ?? { hostname, routes: [], isMeshInternal: true, requiresTls };
    known.requiresTls ||= requiresTls;
    hosts.set(hostname, known);
    return known;
  };
  for (const { rules, hosts: ruled } of boundRules(server, config, client)) {
    if (!rules.spec.http?.length) continue;
    const routes = buildRoutes({ rules, config, client, port: port.number, gateway: server.gateway });
    const isMeshInternal = isRoutedIntoMesh(rules, config.services.visibleTo(client.namespace));
    for (const hostname of ruled) {
      const host = find(hostname);
      host.routes.push(...routes);
      host.isMeshInternal &&= isMeshInternal;
    }
  }
  if (requiresTls && server.kind === 'http') for (const { name } of server.hosts) find(name);
}

function buildHost(host: GatewayHost, port: number, { config, client }: Context): OutboundHost {
  const { hostname, isMeshInternal, requiresTls } = host;
  const routes = decorateRoutes(catchAllsLast(host.routes), { hostname, port }, config.meshConfig);
  const virtualHost: VirtualHost = {
    name: `${hostname}:${port}`,
    domains: [hostname],
    routes,
    include_request_attempt_count: true,
    ...(requiresTls ? { require_tls: 'ALL' } : {}),
  };
  const limits = config.rateLimits.get(hostname) ?? [];
  return { virtualHost: limitVirtualHost(virtualHost, limits, client), isMeshInternal, rules: undefined, port };
}

function catchAllsLast(routes: readonly Route[]): Route[] {
  const takesAll = ({ match }: Route): boolean => isCatchAll(match ?? {});
  return [...routes.filter((route) => !takesAll(route)), ...routes.filter(takesAll)];
}

/** 404 for every host; Istio's name for it. */
function nothingServed(port: number): OutboundHost {
  const virtualHost = { name: `blackhole:${port}`, domains: ['*'], routes: [] };
  return { virtualHost, isMeshInternal: false, rules: undefined, port };
}
