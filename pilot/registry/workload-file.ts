/** Keeps the registered workloads in a file, so that a restarted pilot knows them before their sidecars are back. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Logger } from '../../proxy/common/log.ts';
import type { Workload } from '../model/workload.ts';

/** Raised when the shape of Workload changes; a file of another format is not read. */
const format = 3;

export class WorkloadFile {
  readonly #path: string;
  readonly #logger: Logger;
  #latest: ReadonlyMap<string, Workload> | undefined;
  #writing: Promise<void> | undefined;
  #isFrozen = false;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  /** By node id. Empty when there is no usable file: sidecars register anew anyway. */
  async load(): Promise<ReadonlyMap<string, Workload>> {
    try {
      const content = JSON.parse(await readFile(this.#path, 'utf8')) as {
        format: number;
        workloads: [string, Workload][];
      };
      return new Map(content.format === format ? content.workloads : []);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#logger.warn('registered workloads are unreadable and ignored', {
          file: this.#path,
          error: String(error),
        });
      }
      return new Map();
    }
  }

  /** One write at a time, the latest state wins. */
  save(workloads: ReadonlyMap<string, Workload>): void {
    if (this.#isFrozen) return;
    this.#latest = workloads;
    this.#writing ??= this.#writeLatest().finally(() => (this.#writing = undefined));
  }

  /** From here on the file stays as it is: when pilot leaves, its streams end, but the workloads live on. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Resolves when all that was saved is written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Not synced to disk: a crash of the process loses nothing, and after a crash of the machine sidecars register anew. */
  async #writeLatest(): Promise<void> {
    while (this.#latest !== undefined) {
      const content = JSON.stringify({ format, workloads: [...this.#latest] });
      this.#latest = undefined;
      try {
        await writeFile(`${this.#path}.new`, content);
        await rename(`${this.#path}.new`, this.#path);
      } catch (error) {
        this.#logger.warn('registered workloads cannot be written', { file: this.#path, error: String(error) });
      }
    }
  }
}
