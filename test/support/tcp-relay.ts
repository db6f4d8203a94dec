/** One address in front of several servers, as a Service of Kubernetes is: connections go to the first that takes them. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class TcpRelay {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #ports: readonly number[];
  /** Connections until now. */
  accepted = 0;

  private constructor(server: Server, ports: readonly number[]) {
    this.#server = server;
    this.#ports = ports;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      this.accepted += 1;
      this.#relay(socket, [...this.#ports]);
    });
  }

  /** `ports` of 127.0.0.1, the preferred one first. */
  static async listen(...ports: readonly number[]): Promise<TcpRelay> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpRelay(server, ports);
  }

  get hasConnections(): boolean {
    return this.#sockets.size > 0;
  }

  /** From now on to these; connections that are open end. */
  moveTo(...ports: readonly number[]): void {
    this.#ports = ports;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.moveTo();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(socket: Socket, [port, ...others]: readonly number[]): void {
    this.#track(socket);
    if (port === undefined) return void socket.destroy();
    const peer = connect(port, '127.0.0.1');
    const tryOthers = (): void => this.#relay(socket, others);
    peer.once('error', tryOthers);
    peer.once('connect', () => {
      peer.off('error', tryOthers);
      this.#track(peer);
      socket.pipe(peer).pipe(socket);
      socket.once('close', () => peer.destroy());
      peer.once('close', () => socket.destroy());
    });
  }

  #track(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
  }
}
