/** All resources of a kind as pilot has them: listed, then watched; listed again and again where watching is refused. */
import { Backoff } from '../../proxy/common/backoff.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { Resource } from '../../crds/resource.ts';
import { PilotError, type PilotApi, type WatchEvent } from './pilot-client.ts';

export interface ResourceWatchParts {
  readonly pilot: PilotApi;
  readonly kind: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Called after every change. */
  onChange(): void;
}

const firstRetryMs = 100;
const longestRetryMs = 5000;
const pollMs = 1000;

export class ResourceWatch {
  readonly #parts: ResourceWatchParts;
  readonly #backoff: Backoff;
  readonly #closed = new AbortController();
  #items = new Map<string, Resource>();
  #version = '';
  #running: Promise<void> = Promise.resolve();

  constructor(parts: ResourceWatchParts) {
    this.#parts = parts;
    this.#backoff = new Backoff(firstRetryMs, longestRetryMs, parts.random);
  }

  /** By `namespace/name`; what was last known while pilot does not answer. */
  get items(): ReadonlyMap<string, Resource> {
    return this.#items;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        if (this.#version === '') await this.#list();
        await this.#follow();
        this.#backoff.reset();
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        await this.#recover(error);
      }
    }
  }

  async #list(): Promise<void> {
    const { pilot, kind } = this.#parts;
    const { items, resourceVersion } = await pilot.list(kind);
    this.#items = new Map(items.map((item) => [keyOf(item), item]));
    this.#version = resourceVersion;
    this.#parts.onChange();
  }

  async #follow(): Promise<void> {
    const { pilot, kind } = this.#parts;
    const startMs = this.#parts.clock.monotonicMs();
    for await (const event of pilot.watch(kind, this.#version, this.#closed.signal)) this.#apply(event);
    // A server that ends each watch at once would be asked without end.
    if (this.#parts.clock.monotonicMs() - startMs < firstRetryMs) await this.#sleep(this.#backoff.nextDelayMs());
  }

  #apply({ type, object }: WatchEvent): void {
    if (type === 'ERROR') throw new PilotError(410, 'the watch fell behind');
    this.#version = object.metadata.resourceVersion;
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') this.#items.delete(keyOf(object));
    else this.#items.set(keyOf(object), object);
    this.#parts.onChange();
  }

  async #recover(error: unknown): Promise<void> {
    const { logger, kind } = this.#parts;
    this.#version = '';
    // Watching is refused for good: look once per second instead.
    if (error instanceof PilotError && error.status === 400) return this.#sleep(pollMs);
    const retryInMs = this.#backoff.nextDelayMs();
    logger.debug('watch interrupted', { kind, error: String(error), retryInMs });
    await this.#sleep(retryInMs);
  }

  #sleep(delayMs: number): Promise<void> {
    const { signal } = this.#closed;
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.setTimer(done, delayMs);
      signal.addEventListener('abort', done, { once: true });
      function done(): void {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }
}

export function keyOf({ metadata }: Pick<Resource, 'metadata'>): string {
  return `${metadata.namespace}/${metadata.name}`;
}
