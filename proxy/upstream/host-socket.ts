/** The one way to get to a host: in plain text or over TLS, from where and on whose behalf, as its cluster says. */
import type { Socket } from 'node:net';
import type { SocketAddress } from '../api/address-decoder.ts';
import type { ProxyProtocolVersion } from '../api/cluster.ts';
import { sourceAddressFor, type SourceAddresses } from '../api/source-addresses.ts';
import { connectSocket, type SocketHandler } from '../common/socket.ts';
import { connectTls, type SpokenProtocol, type TlsTarget } from '../tls/tls-socket.ts';
import type { UpstreamTlsContext } from '../tls/upstream-tls.ts';
import type { DownstreamConnection } from './upstream-stream.ts';
import type { Host } from './host.ts';
import { type AddressPair, encodeProxyHeader } from './proxy-protocol-header.ts';

/** What a cluster says of all its connections. */
export interface Transport {
  /** Undefined: plain text. */
  readonly tls: UpstreamTlsContext | undefined;
  /** Undefined: the system chooses. */
  readonly sourceAddresses: SourceAddresses | undefined;
  /** Undefined: the host is not told on whose behalf a connection is. */
  readonly proxyProtocol: ProxyProtocolVersion | undefined;
}

/** Opens a connection for traffic of `downstream` in a version of HTTP, or in whatever comes; over TLS, `onConnect` is called once the host is verified. */
export function connectHost(
  { endpoint: { address, port }, cluster }: Host,
  handler: SocketHandler,
  downstream: DownstreamConnection | undefined,
  speaks?: SpokenProtocol,
): Socket {
  const target = { address, port, originalSource: downstream?.originalSource, speaks };
  return connect(target, handler, cluster, (socket, version) => {
    const header = encodeProxyHeader(version, downstream, ownEndsOf(socket));
    cluster.stats.sentBytes.value += header.length;
    return header;
  });
}

/** As `connectHost`, for whatever else is asked of a host. */
export function connectEndpoint(
  { address, port }: SocketAddress,
  transport: Transport,
  handler: SocketHandler,
  speaks?: SpokenProtocol,
): Socket {
  return connect({ address, port, speaks }, handler, transport, (socket, version) =>
    encodeProxyHeader(version, undefined, ownEndsOf(socket)),
  );
}

function connect(
  { address, port, originalSource, speaks }: Pick<TlsTarget, 'address' | 'port' | 'originalSource' | 'speaks'>,
  handler: SocketHandler,
  { tls, sourceAddresses, proxyProtocol }: Transport,
  encodeHeader: (socket: Socket, version: ProxyProtocolVersion) => Buffer,
): Socket {
  const target: TlsTarget = {
    address,
    port,
    localAddress: sourceAddressFor(sourceAddresses, address),
    originalSource,
    speaks,
    preamble: proxyProtocol && ((socket) => encodeHeader(socket, proxyProtocol)),
  };
  return tls === undefined ? connectSocket(target, handler) : connectTls(target, tls, handler);
}

/** Seen from the host: we are the remote end. */
function ownEndsOf(socket: Socket): AddressPair {
  return {
    remoteAddress: `${socket.localAddress ?? ''}:${socket.localPort ?? 0}`,
    localAddress: `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`,
  };
}
