/** The few operations of a file system that the file store needs: a port, so that tests can make each of them fail. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

export interface StoreFile {
  /** Writes all of `data` at `position`. */
  write(data: Uint8Array, position: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** Returns when the data is on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileSystem {
  /** The whole file; undefined when there is none. */
  readFile(path: string): Promise<Buffer | undefined>;
  /** `create` makes an empty file, whatever was there before. */
  openFile(path: string, mode: 'create' | 'existing'): Promise<StoreFile>;
  /** Replaces `to` in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Fine when there is nothing to remove. */
  removeFile(path: string): Promise<void>;
  /** Makes what is missing of `path`; returns when it is on the disk. */
  makeDirectory(path: string): Promise<void>;
  /** Returns when names in the directory are on the disk. */
  syncDirectory(path: string): Promise<void>;
}

export const nodeFileSystem: FileSystem = {
  async readFile(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },

  async openFile(path, mode) {
    const handle = await open(path, mode === 'create' ? 'w' : 'r+', 0o600);
    return {
      async write(data, position) {
        // A full disk shows first as a short write.
        for (let done = 0; done < data.length;) {
          const { bytesWritten } = await handle.write(data, done, data.length - done, position + done);
          done += bytesWritten;
        }
      },
      truncate: (sizeBytes) => handle.truncate(sizeBytes),
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },

  rename,
  removeFile: (path) => rm(path, { force: true }),

  async makeDirectory(path) {
    const firstMade = await mkdir(path, { recursive: true, mode: 0o700 });
    if (firstMade === undefined) return;
    const top = dirname(resolve(firstMade));
    for (let parent = resolve(path); parent !== top;) {
      parent = dirname(parent);
      await syncDirectory(parent);
    }
  },

  syncDirectory,
};

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
