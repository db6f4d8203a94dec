/** The one way to get to a host: in plain text or over TLS, and from where, as its cluster says. */
import type { Socket } from 'node:net';
import type { SocketAddress } from '../api/address-decoder.ts';
import { sourceAddressFor, type SourceAddresses } from '../api/source-addresses.ts';
import type { OriginalSource } from '../common/client-socket.ts';
import { connectSocket, type ConnectTarget, type SocketHandler } from '../common/socket.ts';
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

/**
 * Opens a connection for traffic; over TLS, `onConnect` is called once the host is verified. `originalSource`: the client in
 * whose name, whatever the cluster says; default: nobody's.
 */
export function connectHost(
  { endpoint, cluster }: Host,
  handler: SocketHandler,
  originalSource?: OriginalSource,
): Socket {
  if (originalSource === undefined) return connectEndpoint(endpoint, cluster, handler);
  const { address, port } = endpoint;
  return connect({ address, port, originalSource }, cluster, handler);
}

/** As `connectHost`, for whatever else is asked of a host. */
export function connectEndpoint(
  { address, port }: SocketAddress,
  transport: Transport,
  handler: SocketHandler,
): Socket {
  const localAddress = sourceAddressFor(transport.sourceAddresses, address);
  return connect({ address, port, localAddress }, transport, handler);
}

function connect(target: ConnectTarget, { tls }: Pick<Transport, 'tls'>, handler: SocketHandler): Socket {
  return tls === undefined ? connectSocket(target, handler) : connectTls(target, tls, handler);
}
