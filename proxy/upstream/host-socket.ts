/** The one way in which traffic gets to a host: in plain text or over TLS, as its cluster says. */
import type { Socket } from 'node:net';
import { connectSocket, type SocketHandler } from '../common/socket.ts';
import { connectTls } from '../tls/tls-socket.ts';
import type { Host } from './host.ts';

/** Opens a connection; over TLS, `onConnect` is called once the host is verified. */
export function connectHost({ endpoint, cluster }: Host, handler: SocketHandler): Socket {
  const { tls } = cluster;
  return tls === undefined
    ? connectSocket(endpoint.address, endpoint.port, handler)
    : connectTls(endpoint, tls, handler);
}
