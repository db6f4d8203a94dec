/** What a filter chain does with connections. Changed chains are new ones; old ones go on with the connections they have. */
import type { Socket } from 'node:net';
import type { SocketHandler } from '../common/socket.ts';
import type { TlsPeer } from '../http/forwarded-client-cert.ts';
import type { StreamInfo } from '../http/stream-info.ts';
import type { ConnectionFacts } from './filter-chain-match.ts';

/** A connection in the hands of a filter, and what it says to its listener's access log. */
export interface ServedConnection extends SocketHandler {
  /** Everything, where the connection is no more than that. */
  readonly streamInfo?: StreamInfo | undefined;
  /** Of the client, where the connection carries streams. */
  readonly downstream?: StreamInfo['codec'] | undefined;
}

/** An accepted connection on its way to a filter chain. */
export interface AcceptedConnection {
  readonly socket: Socket;
  readonly facts: ConnectionFacts;
  /** The certificates of both ends; undefined where the client has shown none. */
  readonly tlsPeer?: TlsPeer | undefined;
  /** Its listener keeps a log of connections. */
  readonly isLogged?: boolean | undefined;
  /** Told when the server speaks before its client; undefined when nobody wants to know. */
  readonly onServerFirst?: (() => void) | undefined;
}

export interface ActiveNetworkFilter {
  /** Takes the connection over. */
  accept(connection: AcceptedConnection): ServedConnection;
  readonly connectionCount: number;
  /** Goes on, but asks peers to reconnect where their protocol has a word for it. */
  announceDrain(): void;
  /** Idle connections end now, others when they are done. */
  drain(): void;
  close(): void;
}
