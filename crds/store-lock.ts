/** One process per data directory. The lock is a listening socket: the kernel frees it however the process ends. */
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';

export class StoreLock {
  readonly #directory: string;
  #server: Server | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Rejects when another process, or another store of this one, has the directory open. */
  async acquire(): Promise<void> {
    const address = await lockAddress(this.#directory);
    this.#server = (await listen(address)) ?? (await takeOver(address));
    if (this.#server === undefined) {
      throw new Error(`${this.#directory} is in use by another process: two cannot share one data directory`);
    }
  }

  async release(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.close();
    await once(server, 'close');
  }
}

/**
 * Linux has names for sockets that are no files and vanish with their process; the directory's device and inode are such a
 * name. Elsewhere it is a file in the directory, which a crash leaves behind.
 */
async function lockAddress(directory: string): Promise<string> {
  if (process.platform !== 'linux') return join(directory, 'lock.sock');
  const { dev, ino } = await stat(directory);
  return `\0heddle-config-store-${dev}-${ino}`;
}

async function listen(address: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  server.unref();
  server.listen(address);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
  return server;
}

/** Removes a socket file behind which nobody listens any more. */
async function takeOver(address: string): Promise<Server | undefined> {
  if (address.startsWith('\0')) return undefined;
  const socket = connect(address);
  try {
    await once(socket, 'connect');
    return undefined;
  } catch {
    await rm(address, { force: true });
    return await listen(address);
  } finally {
    socket.destroy();
  }
}
