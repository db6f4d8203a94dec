/** What is known of the client of a connection for as long as that lasts, whichever version of HTTP it speaks. */
import type { Socket } from 'node:net';
import type { OriginalSource } from '../common/client-socket.ts';
import { localAddressOf, nextConnectionId } from '../common/socket.ts';
import type { ConnectionFacts } from '../listener/filter-chain-match.ts';
import type { ConnectionManager } from './connection-manager.ts';
import type { TlsPeer } from './forwarded-client-cert.ts';

export abstract class DownstreamClient {
  readonly connectionId = nextConnectionId();
  /** It speaks TLS. */
  readonly isSecure: boolean;
  /** What is told about the certificate that it has shown; undefined: it has shown none, or nobody is told. */
  readonly clientCert: string | undefined;
  /** `ip:port`, as all addresses here. */
  readonly remoteAddress: string;
  /** Where it connected to. */
  readonly localAddress: string;
  /** What its TLS asked for; empty without. */
  readonly requestedServerName: string;
  /** In whose name its requests are sent on; undefined: in the proxy's own. */
  readonly originalSource: OriginalSource | undefined;

  /** `facts`: what the listener knows of the connection; default: what the socket says. `tlsPeer`: who has shown a certificate. */
  constructor(socket: Socket, manager: ConnectionManager, facts?: ConnectionFacts, tlsPeer?: TlsPeer) {
    // Of the sockets of node:tls.
    this.isSecure = 'encrypted' in socket && socket.encrypted === true;
    this.clientCert = tlsPeer && manager.clientCert?.describe(tlsPeer);
    this.remoteAddress = `${socket.remoteAddress ?? '-'}:${socket.remotePort ?? 0}`;
    this.localAddress =
      facts === undefined ? localAddressOf(socket) : `${facts.destinationAddress}:${facts.destinationPort}`;
    this.requestedServerName = facts?.serverName ?? '';
    this.originalSource = facts?.originalSource;
  }

  /** What an access log of connections says of it. */
  get downstream(): this {
    return this;
  }
}
