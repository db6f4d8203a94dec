/** Asks resolvers what is not answered here, and brings their answers back as they are. */
import { randomInt } from 'node:crypto';
import type { SocketAddress } from '../api/address-decoder.ts';
import type { Clock } from '../common/clock.ts';
import type { DnsStats } from './dns-stats.ts';
import { exchange } from './exchange.ts';
import { classifyAnswer, type DnsQuery } from './message.ts';

export interface ForwarderOptions {
  /** At least one, in the order in which they are asked. */
  readonly servers: readonly SocketAddress[];
  /** For one round through the servers, who share it alike. */
  readonly timeoutMs: number;
  readonly retries: number;
  readonly maxPendingLookups: number;
  readonly clock: Clock;
  readonly stats: DnsStats;
}

/** An answer, which may be a server's failure; undefined: nobody answered. */
export type OnForwarded = (answer: Buffer | undefined) => void;

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #lookups = new Set<Lookup>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  get pendingCount(): number {
    return this.#lookups.size;
  }

  /** Over the transport by which the question came: who asks over TCP expects more than a datagram. */
  forward(query: DnsQuery, transport: 'udp' | 'tcp', onForwarded: OnForwarded): void {
    const { maxPendingLookups, stats } = this.#options;
    if (this.#lookups.size >= maxPendingLookups) {
      stats.overflow.value += 1;
      onForwarded(undefined);
      return;
    }
    const lookup = new Lookup(query, transport, this.#options, (answer) => {
      this.#lookups.delete(lookup);
      onForwarded(answer);
    });
    this.#lookups.add(lookup);
    lookup.askNext();
  }

  /** Who still waits hears that nobody answered. */
  close(): void {
    for (const lookup of this.#lookups) lookup.end(undefined);
  }
}

class Lookup {
  readonly #query: DnsQuery;
  readonly #transport: 'udp' | 'tcp';
  readonly #options: ForwarderOptions;
  readonly #onOver: OnForwarded;
  #tries = 0;
  /** What a server said that would not answer: better than nothing, when all have been asked. */
  #failure: Buffer | undefined = undefined;
  #endTry = (): void => {};
  #isOver = false;

  constructor(query: DnsQuery, transport: 'udp' | 'tcp', options: ForwarderOptions, onOver: OnForwarded) {
    this.#query = query;
    this.#transport = transport;
    this.#options = options;
    this.#onOver = onOver;
  }

  askNext(): void {
    const { servers, retries, timeoutMs, clock } = this.#options;
    this.#endTry();
    const server = this.#tries < servers.length * (retries + 1) ? servers[this.#tries % servers.length] : undefined;
    if (server === undefined) {
      this.end(this.#failure);
      return;
    }
    this.#tries += 1;
    // Another id for every server: none of them knows what the others were asked.
    const message = Buffer.from(this.#query.bytes);
    message.writeUInt16BE(randomInt(0x1_0000), 0);
    const endExchange = exchange(this.#transport, server, message, {
      onMessage: (answer) => this.#onMessage(answer, message),
      onFailure: () => this.askNext(),
    });
    const cancelTimer = clock.setTimer(() => this.askNext(), Math.ceil(timeoutMs / servers.length));
    this.#endTry = () => {
      endExchange();
      cancelTimer();
    };
  }

  #onMessage(answer: Buffer, sent: Buffer): void {
    const kind = classifyAnswer(answer, sent, this.#query.question);
    // The true answer may still be on its way.
    if (kind === 'mismatch') this.#options.stats.mismatchedAnswers.value += 1;
    else if (kind === 'answer') this.end(answer);
    else {
      this.#failure = answer;
      this.askNext();
    }
  }

  end(answer: Buffer | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#endTry();
    this.#onOver(answer);
  }
}
