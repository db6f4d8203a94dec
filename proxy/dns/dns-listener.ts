/**
 * A listener that answers DNS over UDP and, on the same port, over TCP: what does not fit into a datagram must be had
 * (RFC 7766 section 5). A new version takes effect with the next question; the sockets stay.
 */
import dgram from 'node:dgram';
import net, { isIPv6 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { DnsFilterConfig } from '../api/dns-filter.ts';
import type { Listener } from '../api/listener.ts';
import { type Accepted, acceptSockets } from '../common/socket.ts';
import type { TimerWheel } from '../common/timer-wheel.ts';
import type { SocketAddress } from '../api/address-decoder.ts';
import { cannotListen } from '../listener/listener-sockets.ts';
import type { Opened, ServingListener } from '../listener/serving-listener.ts';
import type { DnsClient, DnsFilter } from './dns-filter.ts';
import { TcpSession } from './tcp-session.ts';

export interface DnsListenerDependencies {
  readonly createFilter: (config: DnsFilterConfig) => DnsFilter;
  readonly timers: TimerWheel;
  /** Bugs of ours that cost one question instead of the process. */
  readonly onFault: (cause: unknown) => void;
}

const maxTcpSessions = 256;
/** Where the system chooses a port for TCP, which fewer are free for, somebody else may have it for UDP. */
const maxBindTries = 5;

export class DnsListener implements ServingListener {
  readonly isWarm = true;
  readonly #dependencies: DnsListenerDependencies;
  readonly #server = net.createServer({ allowHalfOpen: true, pauseOnConnect: false });
  readonly #sessions = new Set<TcpSession>();
  #socket: dgram.Socket | undefined = undefined;
  #config: Listener;
  #filter: DnsFilter;
  #filterConfig: DnsFilterConfig;
  /** Of earlier versions, that still wait for resolvers. */
  #retired: readonly DnsFilter[] = [];
  /** Questions over UDP whose answers are awaited. */
  #unanswered = 0;
  #isAccepting = false;

  constructor(config: Listener, filterConfig: DnsFilterConfig, dependencies: DnsListenerDependencies) {
    this.#config = config;
    this.#filterConfig = filterConfig;
    this.#dependencies = dependencies;
    this.#filter = dependencies.createFilter(filterConfig);
  }

  get config(): Listener {
    return this.#config;
  }

  get addresses(): SocketAddress[] {
    return [{ address: this.#config.address, port: this.port }];
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#config.port;
  }

  async start(): Promise<Opened> {
    const { port } = this.#config;
    for (let tries = 1; ; tries += 1) {
      await this.#listenTcp(port).catch((cause: unknown) => {
        throw cannotListen(this.#config, cause);
      });
      try {
        this.#serveUdp(await this.#bindUdp(this.port));
        break;
      } catch (cause) {
        await new Promise((resolve) => this.#server.close(resolve));
        if (port !== 0 || tries === maxBindTries) throw cannotListen(this.#config, cause);
      }
    }
    this.#isAccepting = true;
    const usesSharedBuffer = acceptSockets(this.#server, { accept: (socket) => this.#accept(socket) });
    return { usesSharedBuffer, missing: [] };
  }

  #bindUdp(port: number): Promise<dgram.Socket> {
    const { address } = this.#config;
    const socket = dgram.createSocket(isIPv6(address) ? 'udp6' : 'udp4');
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
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: this.#config.address, port }, () => {
        server.off('error', reject);
        // Later errors concern single accepts (too many open files): the listener goes on.
        server.on('error', () => {});
        resolve();
      });
    });
  }

  // ---- questions ----

  #serveUdp(socket: dgram.Socket): void {
    this.#socket = socket;
    // A client that has gone: its answer cannot be delivered, which concerns nobody else.
    socket.on('error', () => {});
    socket.on('message', (message, { address, port }) => {
      // Nobody can be answered at port 0, and Node throws at who tries.
      if (!this.#isAccepting || port === 0) return;
      this.#unanswered += 1;
      this.#handle(message, {
        transport: 'udp',
        onAnswer: (answer) => {
          // With a callback errors are its own, and not the socket's.
          if (answer === undefined || this.#socket === undefined) this.#onAnswered();
          else this.#socket.send(answer, port, address, () => this.#onAnswered());
        },
      });
    });
  }

  #onAnswered(): void {
    this.#unanswered -= 1;
    if (!this.#isAccepting) this.#closeSocketWhenDone();
  }

  #handle(message: Buffer, client: DnsClient): void {
    try {
      this.#filter.handle(message, client);
    } catch (cause) {
      this.#dependencies.onFault(cause);
    }
  }

  #accept(socket: net.Socket): Accepted | undefined {
    const { stats } = this.#filter;
    if (this.#sessions.size >= maxTcpSessions) {
      stats.tcpOverflow.value += 1;
      return undefined;
    }
    stats.tcpConnections.value += 1;
    const owner = {
      handle: (message: Buffer, client: DnsClient) => this.#filter.handle(message, client),
      onInvalid: () => (this.#filter.stats.invalidQueries.value += 1),
      onClosed: (closed: TcpSession) => this.#sessions.delete(closed),
    };
    const session = new TcpSession(socket, owner, this.#dependencies.timers);
    this.#sessions.add(session);
    return { handler: session, whenWarm: (startReading) => startReading() };
  }

  // ---- versions ----

  /** It refers to nothing that could be missing. */
  warm(): void {}

  /** Lookups of the old version go on to their end. */
  update(config: Listener): void {
    this.#config = config;
    const { dnsFilter } = config;
    if (dnsFilter === undefined || isDeepStrictEqual(dnsFilter, this.#filterConfig)) return;
    this.#filterConfig = dnsFilter;
    this.#retired = [...this.#retired, this.#filter].filter(({ pendingCount }) => pendingCount > 0);
    this.#filter = this.#dependencies.createFilter(dnsFilter);
  }

  // ---- the end ----

  get connectionCount(): number {
    return this.#sessions.size + this.#unanswered;
  }

  announceDrain(): void {}

  stopAccepting(): void {
    if (this.#isAccepting) this.#server.close();
    this.#isAccepting = false;
    for (const session of this.#sessions) session.finish();
    this.#closeSocketWhenDone();
  }

  #closeSocketWhenDone(): void {
    if (this.#unanswered === 0) this.#closeSocket();
  }

  #closeSocket(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  close(): void {
    this.stopAccepting();
    this.#closeSocket();
    for (const session of this.#sessions) session.close();
    for (const filter of [this.#filter, ...this.#retired]) filter.close();
  }
}
