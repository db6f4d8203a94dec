/**
 * Finds out that a peer has gone without a word: after an interval in which nothing came it is asked, and has until the
 * timeout to answer (Envoy's `connection_keepalive`).
 */
import type { Http2Keepalive } from '../api/http2-options.ts';
import type { Clock } from '../common/clock.ts';

export interface PingedConnection {
  readonly session: { ping(): void };
  flush(): void;
  /** No answer came in time. */
  onPingOverdue(): void;
}

export class KeepalivePings {
  readonly #config: Http2Keepalive;
  readonly #clock: Pick<Clock, 'setTimer'>;
  readonly #connection: PingedConnection;
  #cancelInterval: (() => void) | undefined = undefined;
  #cancelAnswer: (() => void) | undefined = undefined;
  #hasHeard = false;

  constructor(config: Http2Keepalive, clock: Pick<Clock, 'setTimer'>, connection: PingedConnection) {
    this.#config = config;
    this.#clock = clock;
    this.#connection = connection;
  }

  start(): void {
    this.#cancelInterval = this.#clock.setTimer(() => this.#onInterval(), this.#config.intervalMs);
  }

  /** Whatever comes shows that the peer is there. */
  onBytes(): void {
    this.#hasHeard = true;
  }

  onAck(): void {
    this.#cancelAnswer?.();
    this.#cancelAnswer = undefined;
  }

  stop(): void {
    this.#cancelInterval?.();
    this.onAck();
  }

  #onInterval(): void {
    if (!this.#hasHeard && this.#cancelAnswer === undefined) {
      this.#cancelAnswer = this.#clock.setTimer(() => this.#connection.onPingOverdue(), this.#config.timeoutMs);
      this.#connection.session.ping();
      this.#connection.flush();
    }
    this.#hasHeard = false;
    this.start();
  }
}
