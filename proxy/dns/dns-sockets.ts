/** What one address of a DNS listener has: a socket of UDP and, on the same port, one of TCP. */
import dgram from 'node:dgram';
import net, { isIPv6 } from 'node:net';
import type { SocketAddress } from '../api/address-decoder.ts';
import { type Acceptor, acceptSockets } from '../common/socket.ts';
import { cannotListen } from '../listener/listener-sockets.ts';

export interface DnsSocketsOwner {
  readonly acceptor: Acceptor;
  /** `reply` may be called later; undefined: there is nothing to answer. */
  onDatagram(message: Buffer, reply: (answer: Buffer | undefined) => void): void;
  /** What a reply ends in, sent or not. */
  onReplied(): void;
}

/** Where the system chooses a port for TCP, which fewer are free for, somebody else may have it for UDP. */
const maxBindTries = 5;

export class DnsSockets {
  readonly #address: SocketAddress;
  readonly #owner: DnsSocketsOwner;
  readonly #server = net.createServer({ allowHalfOpen: true, pauseOnConnect: false });
  #socket: dgram.Socket | undefined = undefined;

  constructor(address: SocketAddress, owner: DnsSocketsOwner) {
    this.#address = address;
    this.#owner = owner;
  }

  /** With the port in use, also where the configuration says 0. */
  get address(): SocketAddress {
    const bound = this.#server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : this.#address.port;
    return { address: this.#address.address, port };
  }

  /** Whether TCP reads into the shared buffer. Rejects when one of them cannot be bound, and then neither is. */
  async open(): Promise<boolean> {
    const { port } = this.#address;
    for (let tries = 1; ; tries += 1) {
      await this.#listenTcp(port).catch((cause: unknown) => {
        throw cannotListen(this.#address, cause);
      });
      try {
        this.#serveUdp(await this.#bindUdp(this.address.port));
        return acceptSockets(this.#server, this.#owner.acceptor);
      } catch (cause) {
        await new Promise((resolve) => this.#server.close(resolve));
        if (port !== 0 || tries === maxBindTries) throw cannotListen(this.#address, cause);
      }
    }
  }

  #bindUdp(port: number): Promise<dgram.Socket> {
    const { address } = this.#address;
    const socket = dgram.createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', ipv6Only: isIPv6(address) });
    return new Promise((resolve, reject) => {
      socket.once('error', (cause) => {
        socket.close();
        reject(cause);
      });
      socket.bind({ port, address, exclusive: true }, () => {
        socket.removeAllListeners('error');
        resolve(socket);
      });
    });
  }

  #listenTcp(port: number): Promise<void> {
    const server = this.#server;
    const host = this.#address.address;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, ipv6Only: isIPv6(host) }, () => {
        server.off('error', reject);
        // Later errors concern single accepts (too many open files): the listener goes on.
        server.on('error', () => {});
        resolve();
      });
    });
  }

  #serveUdp(socket: dgram.Socket): void {
    this.#socket = socket;
    // A client that has gone: its answer cannot be delivered, which concerns nobody else.
    socket.on('error', () => {});
    socket.on('message', (message, { address, port }) => {
      // Nobody can be answered at port 0, and Node throws at who tries.
      if (port === 0) return;
      this.#owner.onDatagram(message, (answer) => {
        // With a callback errors are its own, and not the socket's.
        if (answer === undefined || this.#socket === undefined) this.#owner.onReplied();
        else this.#socket.send(answer, port, address, () => this.#owner.onReplied());
      });
    });
  }

  /** What came over UDP can still be answered. */
  stopAccepting(): void {
    this.#server.close();
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
