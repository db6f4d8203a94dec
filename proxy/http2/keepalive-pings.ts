/**
 * Finds out that a peer has gone without a word: after an interval in which nothing came it is asked, and has until the
 * timeout to answer (Envoy's `connection_keepalive`).
 */
import type { Http2Options } from '../api/http2-options.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';

export interface PingedConnection {
  readonly session: { ping(): void };
  flush(): void;
  /** No answer came in time. */
  onPingOverdue(): void;
}

export class KeepalivePings {
  readonly #config: NonNullable<Http2Options['keepalive']>;
  readonly #timers: TimerWheel;
  readonly #connection: PingedConnection;
  readonly #intervalTimer: WheelTimer;
  readonly #answerTimer: WheelTimer;
  #hasHeard = false;

  constructor(config: NonNullable<Http2Options['keepalive']>, timers: TimerWheel, connection: PingedConnection) {
    this.#config = config;
    this.#timers = timers;
    this.#connection = connection;
    this.#intervalTimer = new WheelTimer(() => this.#onInterval());
    this.#answerTimer = new WheelTimer(() => connection.onPingOverdue());
  }

  start(): void {
    this.#timers.arm(this.#intervalTimer, this.#config.intervalMs);
  }

  /** Whatever comes shows that the peer is there. */
  onBytes(): void {
    this.#hasHeard = true;
  }

  onAck(): void {
    this.#timers.disarm(this.#answerTimer);
  }

  stop(): void {
    this.#timers.disarm(this.#intervalTimer);
    this.#timers.disarm(this.#answerTimer);
  }

  #onInterval(): void {
    if (!this.#hasHeard && this.#answerTimer.slot < 0) {
      this.#timers.arm(this.#answerTimer, this.#config.timeoutMs);
      this.#connection.session.ping();
      this.#connection.flush();
    }
    this.#hasHeard = false;
    this.start();
  }
}
