/** A ConfigStore that forgets everything when the process ends. For tests and for trying things out. */
import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../proxy/common/clock.ts';
import { type Logger, silentLogger } from '../proxy/common/log.ts';
import type { Change, Commit, ConfigStore } from './config-store.ts';
import type { Resource, ResourceKey } from './resource.ts';
import { ResourceTable } from './resource-table.ts';
import { Subscribers } from './subscribers.ts';

export interface StoreDependencies {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly newUid?: () => string;
}

export class MemoryStore implements ConfigStore {
  readonly #clock: Clock;
  readonly #newUid: () => string;
  readonly #subscribers: Subscribers;
  #table = new ResourceTable();
  #isOpen = false;

  constructor({ clock = systemClock, logger = silentLogger, newUid = randomUUID }: StoreDependencies = {}) {
    this.#clock = clock;
    this.#newUid = newUid;
    this.#subscribers = new Subscribers(logger);
  }

  async open(): Promise<void> {
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  get revision(): number {
    return this.#table.revision;
  }

  list(kind?: string): readonly Resource[] {
    return this.#table.list(kind);
  }

  get(key: ResourceKey): Resource | undefined {
    return this.#table.get(key);
  }

  async commit(changes: readonly Change[]): Promise<Commit> {
    if (!this.#isOpen) throw new Error('the config store is not open');
    const commit = this.#table.plan(changes, { nowMs: this.#clock.nowMs(), newUid: this.#newUid });
    if (commit.revision === this.#table.revision) return commit;
    this.#table = this.#table.after(commit);
    this.#subscribers.notify(commit);
    return commit;
  }

  subscribe(listener: (commit: Commit) => void): () => void {
    return this.#subscribers.add(listener);
  }
}
