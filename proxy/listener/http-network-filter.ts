/** The HTTP connection manager as the filter of a chain. */
import { ServerConnection } from '../http1/server-connection.ts';
import type { ConnectionManager } from '../http/connection-manager.ts';
import type { AcceptedConnection, ActiveNetworkFilter } from './network-filter.ts';

export class HttpNetworkFilter implements ActiveNetworkFilter {
  readonly manager: ConnectionManager;

  constructor(manager: ConnectionManager) {
    this.manager = manager;
  }

  accept({ socket, facts, tlsPeer }: AcceptedConnection): ServerConnection {
    return new ServerConnection(socket, this.manager, facts, tlsPeer);
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
