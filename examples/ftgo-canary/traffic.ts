/** Users of the shop: they ask the order service for orders, all the time, and see which consumer version answered. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { Split } from './release.ts';

export interface Window {
  readonly users: Mutable<Split>;
  readonly testUsers: Mutable<Split>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface TrafficOptions {
  /** The order service's sidecar: `http://127.0.0.1:PORT`. */
  readonly orderUrl: string;
  /** How many users ask at the same time; every fifth one is a test user. */
  readonly users: number;
  /** Each user's pause between an answer and the next request. */
  readonly pauseMs: number;
}

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #pool: Pool;
  readonly #stopped = new AbortController();
  #window = newWindow();
  #running: Promise<void>[] = [];
  #lastFailure: string | undefined;
  /** Answers of each version since the start, whoever asked. */
  readonly total: Mutable<Split> = newSplit();

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#pool = new Pool(options.orderUrl, {
      connections: options.users,
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
    });
  }

  start(): void {
    this.#running = Array.from({ length: this.#options.users }, (_, i) => this.#beUser(i % 5 === 4));
  }

  /** Ends the traffic; resolves when the last answer has come. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#running);
    await this.#pool.close();
  }

  /** Requests sent from now on are counted in the window that is returned. */
  openWindow(): Window {
    this.#window = newWindow();
    return this.#window;
  }

  /** What the most recent failed request met. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  async #beUser(isTestUser: boolean): Promise<void> {
    for (let id = 1; !this.#stopped.signal.aborted; id += 1) {
      const window = this.#window;
      const outcome = await this.#order(id, isTestUser);
      this.total[outcome] += 1;
      (isTestUser ? window.testUsers : window.users)[outcome] += 1;
      await sleep(this.#options.pauseMs);
    }
  }

  async #order(id: number, isTestUser: boolean): Promise<keyof Split> {
    const headers = isTestUser ? { host: 'ftgo-order-service', testuser: 'alice' } : { host: 'ftgo-order-service' };
    try {
      const {
        statusCode,
        headers: answered,
        body,
      } = await this.#pool.request({ method: 'GET', path: `/orders/${id}`, headers });
      const text = await body.text();
      const version = answered['x-consumer-version'];
      if (statusCode === 200 && (version === 'v1' || version === 'v2')) return version;
      this.#lastFailure = `HTTP status ${statusCode}: ${text}`;
    } catch (error) {
      this.#lastFailure = String(error);
    }
    return 'failed';
  }
}

function newSplit(): Mutable<Split> {
  return { v1: 0, v2: 0, failed: 0 };
}

function newWindow(): Window {
  return { users: newSplit(), testUsers: newSplit() };
}
