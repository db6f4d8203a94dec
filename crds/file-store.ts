/**
 * A ConfigStore in one directory: an append-only log, read whole at the start and held in memory. A commit is answered when
 * it is on the disk; commits that arrive while the disk is busy share the next write, in order.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../proxy/common/clock.ts';
import { silentLogger } from '../proxy/common/log.ts';
import { CommitLog } from './commit-log.ts';
import type { Change, Commit, ConfigStore } from './config-store.ts';
import { type FileSystem, nodeFileSystem } from './file-system.ts';
import type { StoreDependencies } from './memory-store.ts';
import type { Resource, ResourceKey } from './resource.ts';
import { keyOf, keyText, ResourceTable } from './resource-table.ts';
import { StoreLock } from './store-lock.ts';
import { Subscribers } from './subscribers.ts';

export interface FileStoreDependencies extends StoreDependencies {
  readonly fileSystem?: FileSystem;
  /** The log is compacted when it is this large and mostly outdated. Default 4 MiB. */
  readonly compactAtBytes?: number;
}

/** What one frame of the log holds: everything (the first frame after a compaction), or the commits of one write. */
type Frame =
  | { readonly revision: number; readonly resources: readonly Resource[] }
  | { readonly commits: readonly StoredCommit[] };

interface StoredCommit {
  readonly revision: number;
  readonly puts: readonly Resource[];
  readonly deletes: readonly ResourceKey[];
}

interface WaitingCommit {
  readonly changes: readonly Change[];
  resolve(commit: Commit): void;
  reject(error: unknown): void;
}

interface PlannedCommit {
  readonly commit: Commit;
  readonly waiting: WaitingCommit;
}

export class FileStore implements ConfigStore {
  readonly #directory: string;
  readonly #fileSystem: FileSystem;
  readonly #log: CommitLog;
  readonly #lock: StoreLock;
  readonly #clock: Clock;
  readonly #newUid: () => string;
  readonly #subscribers: Subscribers;
  readonly #compactAtBytes: number;
  #compactedBytes = 0;
  #table = new ResourceTable();
  #isOpen = false;
  #queue: WaitingCommit[] = [];
  /** Ends when the queue is empty; undefined when nothing is being written. */
  #writing: Promise<void> | undefined;

  constructor(directory: string, dependencies: FileStoreDependencies = {}) {
    const {
      clock = systemClock,
      logger = silentLogger,
      newUid = randomUUID,
      fileSystem = nodeFileSystem,
    } = dependencies;
    this.#directory = directory;
    this.#fileSystem = fileSystem;
    this.#log = new CommitLog(directory, fileSystem, logger);
    this.#lock = new StoreLock(directory);
    this.#clock = clock;
    this.#newUid = newUid;
    this.#subscribers = new Subscribers(logger);
    this.#compactAtBytes = dependencies.compactAtBytes ?? 4 * 1024 * 1024;
  }

  async open(): Promise<void> {
    if (this.#isOpen) return;
    await this.#fileSystem.makeDirectory(this.#directory);
    await this.#lock.acquire();
    try {
      const frames = (await this.#log.open()) as Frame[];
      this.#table = replay(frames);
      this.#isOpen = true;
    } catch (error) {
      await this.#log.close();
      await this.#lock.release();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#writing;
    await this.#log.close();
    await this.#lock.release();
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

  commit(changes: readonly Change[]): Promise<Commit> {
    if (!this.#isOpen) return Promise.reject(new Error('the config store is not open'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ changes, resolve, reject });
      this.#writing ??= this.#writeQueue();
    });
  }

  subscribe(listener: (commit: Commit) => void): () => void {
    return this.#subscribers.add(listener);
  }

  async #writeQueue(): Promise<void> {
    // Lets the commits of the same turn of the event loop into the first write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      await this.#writeBatch(batch);
      await this.#compactIfWorthIt();
    }
    this.#writing = undefined;
  }

  /** Plans on a table of its own, which becomes the visible one when the disk has it. */
  async #writeBatch(batch: readonly WaitingCommit[]): Promise<void> {
    let next = this.#table;
    const planned: PlannedCommit[] = [];
    for (const waiting of batch) {
      try {
        const commit = next.plan(waiting.changes, { nowMs: this.#clock.nowMs(), newUid: this.#newUid });
        next = next.after(commit);
        planned.push({ commit, waiting });
      } catch (error) {
        waiting.reject(error);
      }
    }
    try {
      const commits = planned.map(({ commit }) => commit).filter(isChange);
      if (commits.length > 0) await this.#log.append({ commits: commits.map(store) } satisfies Frame);
    } catch (error) {
      for (const { waiting } of planned) waiting.reject(error);
      return;
    }
    for (const { commit, waiting } of planned) {
      if (isChange(commit)) {
        this.#table = this.#table.after(commit);
        this.#subscribers.notify(commit);
      }
      waiting.resolve(commit);
    }
  }

  async #compactIfWorthIt(): Promise<void> {
    const isWorthIt = this.#log.sizeBytes >= this.#compactAtBytes && this.#log.sizeBytes >= 2 * this.#compactedBytes;
    if (!isWorthIt) return;
    await this.#log.compact({ revision: this.#table.revision, resources: this.#table.list() } satisfies Frame);
    this.#compactedBytes = this.#log.sizeBytes;
  }
}

function replay(frames: readonly Frame[]): ResourceTable {
  let revision = 0;
  const resources = new Map<string, Resource>();
  for (const frame of frames) {
    const steps =
      'resources' in frame ? [{ revision: frame.revision, puts: frame.resources, deletes: [] }] : frame.commits;
    for (const { revision: next, puts, deletes } of steps) {
      revision = next;
      for (const key of deletes) resources.delete(keyText(key));
      for (const resource of puts) resources.set(keyText(keyOf(resource)), resource);
    }
  }
  return ResourceTable.of(revision, [...resources.values()]);
}

function isChange({ puts, deletes }: Commit): boolean {
  return puts.length + deletes.length > 0;
}

function store({ revision, puts, deletes }: Commit): StoredCommit {
  return { revision, puts, deletes: deletes.map(keyOf) };
}
