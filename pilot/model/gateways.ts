/** The Gateways of a node, and what of them it listens for: servers of one address and port share a listener, as in Istio. */
import type { GatewayServer, GatewaySpec } from '../../crds/gateway.ts';
import type { Resource } from '../../crds/resource.ts';
import { type ServerKind, serverKindOf, sharingFault } from '../../crds/server-kind.ts';
import { isSelected, type Labels } from './workload.ts';

export type Gateway = Resource<GatewaySpec>;

export class Gateways {
  readonly #all: readonly Gateway[];

  /** `resources` come oldest first. */
  constructor(resources: readonly Gateway[]) {
    this.#all = resources;
  }

  /** `labels`: of the node. Gateways of all namespaces are for it when they select it. */
  listenersOf(labels: Labels, portOffset = 0): GatewayListener[] {
    const selecting = this.#all.filter(({ spec: { selector = {} } }) => isSelected(labels, selector));
    return mergeServers(selecting.flatMap((gateway) => serversOf(gateway, portOffset)));
  }
}

/** A host that VirtualServices may use. */
export interface ServerHost {
  /** Of the VirtualServices that may; undefined: all. */
  readonly namespace: string | undefined;
  /** Lower case; `*` for all. */
  readonly name: string;
}

export interface MergedServer {
  readonly server: GatewayServer;
  /** `NAMESPACE/NAME`. */
  readonly gateway: string;
  readonly kind: ServerKind;
  readonly hosts: readonly ServerHost[];
  /** IP address. */
  readonly bind: string;
  /** Where it is listened. */
  readonly port: number;
  /** Of the route configuration, Istio's; empty where there are no requests. */
  readonly routeName: string;
}

export interface GatewayListener {
  readonly bind: string;
  readonly port: number;
  /** Either one or more of plain HTTP, or one of TCP, or one or more that are told apart by the name in TLS. */
  readonly servers: readonly MergedServer[];
}

function serversOf({ metadata, spec }: Gateway, portOffset: number): MergedServer[] {
  return (spec.servers ?? []).map((server) => {
    const { number, name = '' } = server.port;
    const port = number + portOffset;
    const kind = serverKindOf(server);
    const suffix = server.bind ? `.${server.bind}` : '';
    const routeNames: Partial<Record<ServerKind, string>> = {
      http: `http.${port}${suffix}`,
      https: `https.${number}.${name}.${metadata.name}.${metadata.namespace}${suffix}`,
    };
    return {
      server,
      gateway: `${metadata.namespace}/${metadata.name}`,
      kind,
      hosts: server.hosts.map((host) => serverHostOf(host, metadata.namespace)),
      bind: server.bind || '0.0.0.0',
      port,
      routeName: routeNames[kind] ?? '',
    };
  });
}

function serverHostOf(host: string, own: string): ServerHost {
  const slash = host.indexOf('/');
  const namespace = slash < 0 ? '*' : host.slice(0, slash);
  const name = host.slice(slash + 1).toLowerCase();
  if (namespace === '*') return { namespace: undefined, name };
  return { namespace: namespace === '.' ? own : namespace, name };
}

/** The oldest server decides what its listener is; those that it cannot share with are left out, as in Istio. */
function mergeServers(servers: readonly MergedServer[]): GatewayListener[] {
  const listeners = new Map<string, MergedServer[]>();
  for (const server of servers) {
    const key = `${server.bind}_${server.port}`;
    const others = listeners.get(key);
    if (others === undefined) listeners.set(key, [server]);
    else if (others.every((older) => sharingFault(server.server, older.server) === undefined)) others.push(server);
  }
  return [...listeners.values()].flatMap((shared) => {
    const [first] = shared;
    return first === undefined ? [] : [{ bind: first.bind, port: first.port, servers: shared }];
  });
}
