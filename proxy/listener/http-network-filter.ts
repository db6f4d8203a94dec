/** The HTTP connection manager as the filter of a chain: finds out which version a connection speaks, and hands it over. */
import { ServerConnection } from '../http1/server-connection.ts';
import { Http2ServerConnection } from '../http2/server-connection.ts';
import type { ConnectionManager } from '../http/connection-manager.ts';
import { type Codec, CodecSelector } from './codec-selector.ts';
import type { ConnectionFacts } from './filter-chain-match.ts';
import type { AcceptedConnection, ActiveNetworkFilter, ServedConnection } from './network-filter.ts';

export class HttpNetworkFilter implements ActiveNetworkFilter {
  readonly manager: ConnectionManager;

  constructor(manager: ConnectionManager) {
    this.manager = manager;
  }

  accept(connection: AcceptedConnection): ServedConnection {
    const { manager } = this;
    const isHttp2 =
      manager.config.codecType === 'AUTO' ? knownVersion(connection.facts) : manager.config.codecType === 'HTTP2';
    const create = (speaksHttp2: boolean): Codec => createCodec(connection, manager, speaksHttp2);
    return isHttp2 === undefined ? new CodecSelector(connection.socket, manager, create) : create(isHttp2);
  }

  get connectionCount(): number {
    return this.manager.connectionCount;
  }

  announceDrain(): void {
    this.manager.isDraining = true;
  }

  drain(): void {
    this.manager.drain();
  }

  close(): void {
    this.manager.close();
  }
}

/** Whether it is HTTP/2, by what TLS agreed on or an inspector of the listener has seen; undefined: nobody knows. */
function knownVersion({ applicationProtocols }: ConnectionFacts): boolean | undefined {
  // Of TLS that is not ended here these are offers; one is a choice.
  if (applicationProtocols.length !== 1) return undefined;
  switch (applicationProtocols[0]) {
    case 'h2':
    case 'h2c':
      return true;
    case 'http/1.0':
    case 'http/1.1':
      return false;
    default:
      return undefined;
  }
}

function createCodec(
  { socket, facts, tlsPeer }: AcceptedConnection,
  manager: ConnectionManager,
  isHttp2: boolean,
): Codec {
  return isHttp2
    ? new Http2ServerConnection(socket, manager, facts, tlsPeer)
    : new ServerConnection(socket, manager, facts, tlsPeer);
}
