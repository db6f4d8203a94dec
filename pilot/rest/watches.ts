/**
 * `GET …?watch=true`: changes as they come, one JSON object a line, until the time is up. A watcher that does not read is cut
 * off, and comes back from where it was. Source: kubernetes.io, "Efficient detection of changes".
 */
import type { ServerResponse } from 'node:http';
import type { ConfigStore } from '../../crds/config-store.ts';
import type { Resource } from '../../crds/resource.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import { ChangeHistory, type HistoryLimits, seenBy, type StoredChange } from './change-history.ts';
import { ApiError } from './status.ts';
import { beginWatch, watchTimeoutMs } from './watch-stream.ts';

/** Of all watchers together. */
const maxWatches = 256;
/** What a watcher has not read yet, beside the list that it began with. */
const maxUnreadBytes = 1024 * 1024;

export interface WatchOptions {
  readonly query: URLSearchParams;
  readonly isWanted: (resource: Resource) => boolean;
  /** The resource as the watcher is shown it. */
  readonly represent: (resource: Resource) => unknown;
  /** What stands for no resource, but says up to which version all is told. */
  readonly bookmark: (resourceVersion: string) => unknown;
}

interface Watch {
  readonly response: ServerResponse;
  readonly options: WatchOptions;
}

export class Watches {
  readonly #store: ConfigStore;
  readonly #clock: Clock;
  readonly #history: ChangeHistory;
  readonly #watches = new Set<Watch>();
  #unsubscribe: (() => void) | undefined;

  constructor(store: ConfigStore, clock: Clock, limits: HistoryLimits = {}) {
    this.#store = store;
    this.#clock = clock;
    this.#history = new ChangeHistory(limits);
  }

  /** The store must be open. */
  start(): void {
    this.#history.begin(this.#store);
    this.#unsubscribe = this.#store.subscribe((commit) => {
      const changes = this.#history.add(commit);
      for (const watch of this.#watches) tell(watch, changes);
    });
  }

  /** Ends all watches as if their time were up. */
  close(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    for (const watch of this.#watches) this.#end(watch);
  }

  /**
   * Answers with what changes until the time is up. Throws ApiError before anything is written, for example when the version
   * that the watcher names is no longer known.
   */
  open(response: ServerResponse, options: WatchOptions): void {
    const timeoutMs = watchTimeoutMs(options.query);
    const changes = this.#firstChanges(options);
    if (this.#watches.size >= maxWatches) {
      throw new ApiError('TooManyRequests', `there are ${maxWatches} watches already`);
    }
    const watch: Watch = { response, options };
    this.#watches.add(watch);
    const cancel = this.#clock.setTimer(() => this.#end(watch), timeoutMs);
    response.on('close', () => {
      this.#watches.delete(watch);
      cancel();
    });
    beginWatch(response);
    write(watch, changes);
  }

  /** Without a version, or from 0, everything that is there comes first. */
  #firstChanges({ query, isWanted }: WatchOptions): readonly StoredChange[] {
    const version = query.get('resourceVersion') ?? '';
    if (version === '' || version === '0') {
      const present = this.#store.list().filter(isWanted);
      return present.map((resource) => ({ revision: this.#store.revision, type: 'ADDED', resource }));
    }
    if (!/^\d{1,16}$/.test(version)) {
      throw new ApiError('BadRequest', `resourceVersion must be a number, got ${JSON.stringify(version)}`);
    }
    const changes = this.#history.after(Number(version), isWanted);
    if (changes !== undefined) return changes;
    throw new ApiError('Expired', `resourceVersion ${version} is no longer known here: list again`);
  }

  /** The bookmark spares a watcher of quiet resources a new list. */
  #end({ response, options }: Watch): void {
    const object = options.bookmark(String(this.#store.revision));
    const wantsBookmark = options.query.get('allowWatchBookmarks') === 'true';
    response.end(wantsBookmark ? `${JSON.stringify({ type: 'BOOKMARK', object })}\n` : undefined);
  }
}

function tell(watch: Watch, changes: readonly StoredChange[]): void {
  const wanted = changes.flatMap((change) => seenBy(change, watch.options.isWanted) ?? []);
  if (wanted.length === 0) return;
  if (watch.response.writableLength > maxUnreadBytes) watch.response.destroy();
  else write(watch, wanted);
}

function write({ response, options }: Watch, changes: readonly StoredChange[]): void {
  const lines = changes.map(
    ({ type, resource }) => `${JSON.stringify({ type, object: options.represent(resource) })}\n`,
  );
  if (lines.length > 0) response.write(lines.join(''));
}
