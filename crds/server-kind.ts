/** What the bytes of a connection are to a Gateway's server, and which servers can share a port. */
import { type GatewayServer, isPassthrough } from './gateway.ts';
import { isHttp } from './protocol.ts';

export type ServerKind =
  /** Requests in plain text. */
  | 'http'
  /** Requests inside TLS that ends here. */
  | 'https'
  /** Anything inside TLS that ends here. */
  | 'tls'
  | 'passthrough'
  | 'tcp';

export function serverKindOf({ port: { protocol }, tls }: GatewayServer): ServerKind {
  if (isHttp(protocol)) return 'http';
  if (tls === undefined) return 'tcp';
  if (isPassthrough(tls)) return 'passthrough';
  return protocol.toUpperCase() === 'HTTPS' ? 'https' : 'tls';
}

/** Why `server` cannot be served at a port where `older` is, undefined when it can: the oldest decides, as in Istio. */
export function sharingFault(server: GatewayServer, older: GatewayServer): string | undefined {
  const [kind, olderKind] = [serverKindOf(server), serverKindOf(older)];
  if (kind === 'http' && olderKind === 'http') return undefined;
  const isByName = ![kind, olderKind].some((one) => one === 'http' || one === 'tcp');
  if (!isByName) return `is ${older.port.protocol} there`;
  // By their names only connections are told apart.
  const host = server.hosts.find((one) => older.hosts.includes(one));
  return host === undefined ? undefined : `has host ${JSON.stringify(host)} there`;
}
