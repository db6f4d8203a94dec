/** The file behind the file store: appends, repairs, compacts. It knows frames and the disk, not resources. */
import { join } from 'node:path';
import type { Logger } from '../proxy/common/log.ts';
import type { FileSystem, StoreFile } from './file-system.ts';
import { encodeFrame, fileHeader, scanLog } from './log-format.ts';

/** The disk refused; the message says what was done and what follows. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
}

export class CommitLog {
  readonly #directory: string;
  readonly #path: string;
  readonly #fileSystem: FileSystem;
  readonly #logger: Logger;
  #file: StoreFile | undefined;
  #sizeBytes = 0;
  /** Why nothing more is written; undefined while all is well. */
  #brokenBy: string | undefined;

  constructor(directory: string, fileSystem: FileSystem, logger: Logger) {
    this.#directory = directory;
    this.#path = join(directory, 'config.log');
    this.#fileSystem = fileSystem;
    this.#logger = logger;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Everything ever appended since the last compaction. Rejects when the file is damaged. */
  async open(): Promise<unknown[]> {
    await this.#fileSystem.removeFile(this.#temporaryPath);
    const log = await this.#fileSystem.readFile(this.#path);
    if (log === undefined) {
      await this.#replace([]);
      return [];
    }
    const scan = scanLog(log);
    if (scan.kind === 'corrupt') {
      throw new StorageError(
        `${this.#path} is damaged at byte ${scan.offset} of ${log.length}: ${scan.reason}. ` +
          'Restore it from a copy, or move it away to start empty',
      );
    }
    this.#file = await this.#fileSystem.openFile(this.#path, 'existing');
    this.#sizeBytes = scan.validBytes;
    if (scan.validBytes < log.length) {
      const removedBytes = log.length - scan.validBytes;
      this.#logger.warn('removed an unfinished record, which was never acknowledged', {
        path: this.#path,
        removedBytes,
      });
      await this.#file.truncate(scan.validBytes);
      await this.#file.sync();
    }
    return scan.payloads;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** Resolves when `payload` is on the disk. When it rejects, the payload is not in the log. */
  async append(payload: unknown): Promise<void> {
    const file = this.#writableFile();
    const frame = encodeFrame(payload);
    try {
      await file.write(frame, this.#sizeBytes);
    } catch (error) {
      await this.#undoAppend(file, error);
    }
    try {
      await file.sync();
    } catch (error) {
      // After a failed fsync nobody knows what is on the disk, and a second fsync may succeed without writing.
      this.#brokenBy = describe(error);
      await this.#undoAppend(file, error);
    }
    this.#sizeBytes += frame.length;
  }

  /** Replaces the log by one payload in one step. A failure leaves the old log in force. */
  async compact(payload: unknown): Promise<void> {
    if (this.#file === undefined || this.#brokenBy !== undefined) return;
    const before = this.#sizeBytes;
    try {
      await this.#replace([payload]);
      this.#logger.info('compacted the log', { path: this.#path, beforeBytes: before, afterBytes: this.#sizeBytes });
    } catch (error) {
      this.#logger.warn('could not compact the log', { path: this.#path, error: describe(error) });
    }
  }

  get #temporaryPath(): string {
    return `${this.#path}.new`;
  }

  #writableFile(): StoreFile {
    if (this.#file === undefined) throw new StorageError(`${this.#path} is not open`);
    if (this.#brokenBy === undefined) return this.#file;
    throw new StorageError(
      `${this.#path} takes no more writes since the disk failed (${this.#brokenBy}): restart to recover`,
    );
  }

  /** Always throws: the append failed. */
  async #undoAppend(file: StoreFile, cause: unknown): Promise<never> {
    try {
      await file.truncate(this.#sizeBytes);
      await file.sync();
    } catch (error) {
      this.#brokenBy = describe(error);
    }
    throw new StorageError(`could not write ${this.#path}: ${describe(cause)}`, { cause });
  }

  async #replace(payloads: readonly unknown[]): Promise<void> {
    const content = Buffer.concat([fileHeader, ...payloads.map(encodeFrame)]);
    const next = await this.#fileSystem.openFile(this.#temporaryPath, 'create');
    try {
      await next.write(content, 0);
      await next.sync();
      await this.#fileSystem.rename(this.#temporaryPath, this.#path);
    } catch (error) {
      await next.close();
      await this.#fileSystem.removeFile(this.#temporaryPath).catch(() => {});
      throw error;
    }
    const previous = this.#file;
    this.#file = next;
    this.#sizeBytes = content.length;
    try {
      await previous?.close();
      await this.#fileSystem.syncDirectory(this.#directory);
    } catch (error) {
      // After a power cut the old file might be back: what is appended to the new one could be lost.
      this.#brokenBy = describe(error);
      throw error;
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
