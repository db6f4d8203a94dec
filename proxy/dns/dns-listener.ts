/**
 * A listener that answers DNS over UDP and, on the same port, over TCP: what does not fit into a datagram must be had
 * (RFC 7766 section 5). A new version takes effect with the next question; the sockets stay.
 */
import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { DnsFilterConfig } from '../api/dns-filter.ts';
import { type Listener, listenerAddressesOf } from '../api/listener.ts';
import type { Accepted } from '../common/socket.ts';
import type { TimerWheel } from '../common/timer-wheel.ts';
import type { SocketAddress } from '../api/address-decoder.ts';
import { isWithoutIPv6 } from '../listener/listener-sockets.ts';
import type { Opened, ServingListener } from '../listener/serving-listener.ts';
import type { DnsClient, DnsFilter } from './dns-filter.ts';
import { DnsSockets, type DnsSocketsOwner } from './dns-sockets.ts';
import { TcpSession } from './tcp-session.ts';

export interface DnsListenerDependencies {
  readonly createFilter: (config: DnsFilterConfig) => DnsFilter;
  readonly timers: TimerWheel;
  /** Bugs of ours that cost one question instead of the process. */
  readonly onFault: (cause: unknown) => void;
}

const maxTcpSessions = 256;

export class DnsListener implements ServingListener {
  readonly isWarm = true;
  readonly #dependencies: DnsListenerDependencies;
  readonly #sessions = new Set<TcpSession>();
  /** In the order of the addresses; those that are bound. */
  #sockets: readonly DnsSockets[] = [];
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
    return this.#sockets.map(({ address }) => address);
  }

  get port(): number {
    return this.addresses[0]?.port ?? this.#config.port;
  }

  async start(): Promise<Opened> {
    const owner: DnsSocketsOwner = {
      acceptor: { accept: (socket) => this.#accept(socket) },
      onDatagram: (message, reply) => this.#onDatagram(message, reply),
      onReplied: () => this.#onReplied(),
    };
    const missing: SocketAddress[] = [];
    let usesSharedBuffer = true;
    for (const [index, address] of listenerAddressesOf(this.#config).entries()) {
      const sockets = new DnsSockets(address, owner);
      try {
        usesSharedBuffer = (await sockets.open()) && usesSharedBuffer;
        this.#sockets = [...this.#sockets, sockets];
      } catch (cause) {
        if (index > 0 && isWithoutIPv6(address, (cause as Error).cause)) {
          missing.push(address);
          continue;
        }
        this.#closeSockets();
        throw cause;
      }
    }
    this.#isAccepting = true;
    return { usesSharedBuffer, missing };
  }

  // ---- questions ----

  #onDatagram(message: Buffer, reply: (answer: Buffer | undefined) => void): void {
    if (!this.#isAccepting) return;
    this.#unanswered += 1;
    this.#handle(message, { transport: 'udp', onAnswer: reply });
  }

  #onReplied(): void {
    this.#unanswered -= 1;
    if (!this.#isAccepting) this.#closeWhenDone();
  }

  #handle(message: Buffer, client: DnsClient): void {
    try {
      this.#filter.handle(message, client);
    } catch (cause) {
      this.#dependencies.onFault(cause);
    }
  }

  #accept(socket: Socket): Accepted | undefined {
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
    if (this.#isAccepting) for (const sockets of this.#sockets) sockets.stopAccepting();
    this.#isAccepting = false;
    for (const session of this.#sessions) session.finish();
    this.#closeWhenDone();
  }

  #closeWhenDone(): void {
    if (this.#unanswered === 0) for (const sockets of this.#sockets) sockets.close();
  }

  #closeSockets(): void {
    for (const sockets of this.#sockets) {
      sockets.stopAccepting();
      sockets.close();
    }
    this.#sockets = [];
  }

  close(): void {
    this.stopAccepting();
    for (const sockets of this.#sockets) sockets.close();
    for (const session of this.#sessions) session.close();
    for (const filter of [this.#filter, ...this.#retired]) filter.close();
  }
}
