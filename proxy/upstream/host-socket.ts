/** The one way to get to a host: in plain text or over TLS, and from where, as its cluster says. */
import type { Socket } from 'node:net';
import type { SocketAddress } from '../api/address-decoder.ts';
import { sourceAddressFor, type SourceAddresses } from '../api/source-addresses.ts';
import { connectSocket, type SocketHandler } from '../common/socket.ts';
import { connectTls } from '../tls/tls-socket.ts';
import type { UpstreamTlsContext } from '../tls/upstream-tls.ts';
import type { Host } from './host.ts';

/** What a cluster says of all its connections. */
export interface Transport {
  /** Undefined: plain text. */
  readonly tls: UpstreamTlsContext | undefined;
  /** Undefined: the system chooses. */
  readonly sourceAddresses: SourceAddresses | undefined;
}

/** Opens a connection for traffic; over TLS, `onConnect` is called once the host is verified. */
export function connectHost({ endpoint, cluster }: Host, handler: SocketHandler): Socket {
  return connectEndpoint(endpoint, cluster, handler);
}

/** As `connectHost`, for whatever else is asked of a host. */
export function connectEndpoint(
  { address, port }: SocketAddress,
  { tls, sourceAddresses }: Transport,
  handler: SocketHandler,
): Socket {
  const target = { address, port, localAddress: sourceAddressFor(sourceAddresses, address) };
  return tls === undefined ? connectSocket(target, handler) : connectTls(target, tls, handler);
}
