/** Who hears of commits. A listener that throws harms neither the store nor the other listeners. */
import type { Logger } from '../proxy/common/log.ts';
import type { Commit } from './config-store.ts';

export class Subscribers {
  readonly #listeners = new Set<{ readonly call: (commit: Commit) => void }>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(call: (commit: Commit) => void): () => void {
    const listener = { call };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  notify(commit: Commit): void {
    // Who subscribes while being told of a commit hears from the next one on.
    const present = [...this.#listeners];
    for (const listener of present) {
      if (!this.#listeners.has(listener)) continue;
      try {
        listener.call(commit);
      } catch (error) {
        this.#logger.error('a subscriber failed', { revision: commit.revision, error: String(error) });
      }
    }
  }
}
