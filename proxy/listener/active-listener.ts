/** One listening socket. A changed filter chain applies to connections accepted afterwards; the socket stays. */
import net from 'node:net';
import type { Listener } from '../api/listener.ts';
import { acceptSockets } from '../common/socket.ts';
import type { ConnectionManager } from '../http/connection-manager.ts';
import { ServerConnection } from '../http1/server-connection.ts';

export class ActiveListener {
  readonly #server: net.Server;
  /** Managers of earlier versions that still have connections, and the current one last. */
  readonly #managers: ConnectionManager[] = [];
  #config: Listener;
  #isListening = false;
  /** Connections accepted while the listener is warming, not read yet; undefined once it is warm. */
  #waiting: (() => void)[] | undefined = [];

  constructor(config: Listener, manager: ConnectionManager) {
    this.#config = config;
    this.#managers.push(manager);
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: false });
  }

  get config(): Listener {
    return this.#config;
  }

  /** The port in use, also when the configuration says 0. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#config.port;
  }

  /** Rejects when the address cannot be bound. Returns whether sockets read into the shared buffer. */
  start(): Promise<boolean> {
    const { address, port } = this.#config;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: address, port, backlog: 4096 }, () => {
        this.#server.off('error', reject);
        // Later errors concern single accepts (too many open files): the listener goes on.
        this.#server.on('error', () => {});
        this.#isListening = true;
        resolve(
          acceptSockets(this.#server, {
            onSocket: (socket) => new ServerConnection(socket, this.connectionManager),
            whenWarm: (startReading) => {
              if (this.#waiting === undefined) startReading();
              else this.#waiting.push(startReading);
            },
          }),
        );
      });
    });
  }

  get isWarm(): boolean {
    return this.#waiting === undefined;
  }

  /** Its routes are there: serves what has connected meanwhile, and everybody from now on. */
  warm(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const startReading of waiting) startReading();
  }

  /** For connections that are accepted from now on. */
  get connectionManager(): ConnectionManager {
    const manager = this.#managers.at(-1);
    if (manager === undefined) throw new Error('a listener always has a connection manager');
    return manager;
  }

  /**
   * Takes over a new version for connections to come. Open connections go on with the old one and are asked to reconnect
   * in their next response: closing an idle one would race with a request that is on its way.
   */
  update(config: Listener, manager: ConnectionManager): void {
    const previous = this.#managers.at(-1);
    this.#config = config;
    this.#managers.push(manager);
    if (previous !== undefined) previous.isDraining = true;
    const alive = this.#managers.filter((each) => each === manager || each.connectionCount > 0);
    this.#managers.splice(0, this.#managers.length, ...alive);
  }

  /** Still accepts, but every response asks to reconnect. */
  announceDrain(): void {
    for (const manager of this.#managers) manager.isDraining = true;
  }

  /** Stops accepting; idle connections close now, busy ones after their request. */
  stopAccepting(): void {
    if (this.#isListening) this.#server.close();
    this.#isListening = false;
    for (const manager of this.#managers) manager.drain();
  }

  get connectionCount(): number {
    return this.#managers.reduce((sum, manager) => sum + manager.connectionCount, 0);
  }

  close(): void {
    this.stopAccepting();
    for (const manager of this.#managers) manager.close();
  }
}
