/** Load for tests of whole processes: requests through sidecars, and where each of them landed. */
import { Pool } from 'undici';

export interface Call {
  /** The version that answered; undefined when none did. */
  readonly version: string | undefined;
  readonly status: number;
  /** When the request was sent, `performance.now()`. */
  readonly sentMs: number;
  /** What went wrong with a call that is not a 200. */
  readonly failure: string | undefined;
}

export interface Target {
  /** Where the call goes: a sidecar's outbound origin. */
  readonly url: string;
  readonly host: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections?: number;
}

/** Of each caller after an answer: a thousand requests per second see any gap, and leave time to those who work beside them. */
const pauseMs = 4;

export class Client {
  readonly #pool: Pool;
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
    this.#pool = new Pool(target.url, {
      connections: target.connections ?? 8,
      headersTimeout: 5000,
      bodyTimeout: 5000,
    });
  }

  async call(headers: Readonly<Record<string, string>> = {}): Promise<Call> {
    const { host, path = '/' } = this.#target;
    const sentMs = performance.now();
    try {
      const response = await this.#pool.request({
        method: 'GET',
        path,
        headers: { ...this.#target.headers, ...headers, host },
      });
      const text = await response.body.text();
      const version = response.headers['x-version'];
      const status = response.statusCode;
      const failure = status === 200 ? undefined : `HTTP ${status}: ${text}`;
      return { version: typeof version === 'string' ? version : undefined, status, sentMs, failure };
    } catch (error) {
      return { version: undefined, status: 0, sentMs, failure: String(error) };
    }
  }

  /** `count` calls, `concurrency` at a time. */
  async callMany(count: number, concurrency = 16, headers: Readonly<Record<string, string>> = {}): Promise<Call[]> {
    const calls: Call[] = [];
    let sent = 0;
    const work = async (): Promise<void> => {
      while (sent < count) {
        sent += 1;
        calls.push(await this.call(headers));
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return calls;
  }

  /** Calls without end until the returned function is awaited; that resolves with all of them. */
  keepCalling(concurrency = 4): () => Promise<Call[]> {
    const calls: Call[] = [];
    const stopped = new AbortController();
    const work = async (): Promise<void> => {
      while (!stopped.signal.aborted) {
        calls.push(await this.call());
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    };
    const workers = Promise.all(Array.from({ length: concurrency }, work));
    return async () => {
      stopped.abort();
      await workers;
      return calls;
    };
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

export function failuresOf(calls: readonly Call[]): string[] {
  return calls.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
}

export function countVersions(calls: readonly Call[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { version = 'none' } of calls) counts[version] = (counts[version] ?? 0) + 1;
  return counts;
}
