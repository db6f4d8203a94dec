import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Logger } from '../../proxy/common/log.ts';
import { FileStore, type FileStoreDependencies } from '../../crds/file-store.ts';
import { type FileSystem, nodeFileSystem } from '../../crds/file-system.ts';
import { keyFor, put, remove } from './puts.ts';
import { namesIn, StoppedClock } from './store-conformance.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-file-store-'));
afterAll(() => rmSync(folder, { recursive: true }));
const newDirectory = (): string => mkdtempSync(join(folder, 'd-'));

const openStore = async (directory: string, dependencies: FileStoreDependencies = {}): Promise<FileStore> => {
  const store = new FileStore(directory, { clock: new StoppedClock(), ...dependencies });
  await store.open();
  return store;
};

/** Without waiting for the disk, where hundreds of stores are opened and no power is cut. */
const quickFileSystem: FileSystem = {
  ...nodeFileSystem,
  async openFile(path, mode) {
    return { ...(await nodeFileSystem.openFile(path, mode)), sync: () => Promise.resolve() };
  },
  syncDirectory: () => Promise.resolve(),
};

/** A logger that remembers its lines. */
const recordingLogger = (): { logger: Logger; lines: string[] } => {
  const lines: string[] = [];
  const record = (message: string, fields: object = {}): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: record, info: record, warn: record, error: record, child: () => logger };
  return { logger, lines };
};

/** A directory after three commits, closed, with the offsets behind the header and behind each frame. */
const threeCommits = async (): Promise<{ log: Buffer; frameEnds: number[] }> => {
  const directory = newDirectory();
  const store = await openStore(directory);
  for (const name of ['a', 'b', 'c']) await store.commit([put(name, { text: `${name}ü` }), put('all', { last: name })]);
  await store.close();
  const log = readFileSync(join(directory, 'config.log'));
  const frameEnds = [...log.entries()].filter(([, byte]) => byte === 0x0a).map(([offset]) => offset + 1);
  return { log, frameEnds };
};

const directoryWith = (log: Buffer): string => {
  const directory = newDirectory();
  writeFileSync(join(directory, 'config.log'), log);
  return directory;
};

describe('FileStore over restarts', () => {
  it('has everything again, to the last byte and revision', async () => {
    const directory = newDirectory();
    const first = await openStore(directory);
    await first.commit([put('a', { n: 1 }), put('b')]);
    await first.commit([put('a', { n: 2 })]);
    await first.commit([remove('b')]);
    const [revision, list] = [first.revision, first.list()];
    await first.close();
    const second = await openStore(directory);
    expect(second.revision).toBe(revision);
    expect(second.list()).toEqual(list);
    expect(Object.isFrozen(second.get(keyFor('a'))?.spec)).toBe(true);
    await second.commit([put('c')]);
    expect(second.revision).toBe(4);
    await second.close();
  });

  it('makes a directory that is not there yet', async () => {
    const directory = join(newDirectory(), 'x', 'y');
    const store = await openStore(directory);
    await store.commit([put('a')]);
    await store.close();
    expect(readdirSync(directory)).toEqual(['config.log']);
  });

  it('writes concurrent commits with few writes', async () => {
    const directory = newDirectory();
    const store = await openStore(directory);
    await Promise.all(Array.from({ length: 100 }, (_, index) => store.commit([put(`r${index}`)])));
    await store.close();
    const frames = readFileSync(join(directory, 'config.log'), 'utf8').trimEnd().split('\n').length - 1;
    expect(frames).toBe(1);
    const again = await openStore(directory);
    expect(again.revision).toBe(100);
    await again.close();
  });

  it('finishes the commits under way when it is closed', async () => {
    const directory = newDirectory();
    const store = await openStore(directory);
    const commits = [store.commit([put('a')]), store.commit([put('b')])];
    await store.close();
    expect((await Promise.all(commits)).map(({ revision }) => revision)).toEqual([1, 2]);
    const again = await openStore(directory);
    expect(namesIn(again)).toEqual(['a', 'b']);
    await again.close();
  });

  it('is open and closed any number of times', async () => {
    const store = new FileStore(newDirectory());
    await store.close();
    for (let round = 1; round <= 3; round += 1) {
      await store.open();
      await store.open();
      expect((await store.commit([put('a', { round })])).revision).toBe(round);
      await store.close();
      await store.close();
    }
  });
});

describe('compaction of FileStore', () => {
  it('keeps the log small and everything in it', async () => {
    const directory = newDirectory();
    const store = await openStore(directory, { compactAtBytes: 4096 });
    for (let n = 0; n < 200; n += 1) await store.commit([put('a', { n, text: 'x'.repeat(100) })]);
    await store.commit([put('b')]);
    await store.close();
    expect(readFileSync(join(directory, 'config.log')).length).toBeLessThan(8192);
    expect(readdirSync(directory)).toEqual(['config.log']);
    const again = await openStore(directory);
    expect(again.revision).toBe(201);
    expect(again.get(keyFor('a'))).toMatchObject({
      spec: { n: 199 },
      metadata: { generation: 200, resourceVersion: '200' },
    });
    await again.close();
  });

  it('does not compact again and again what has nothing outdated in it', async () => {
    const { logger, lines } = recordingLogger();
    const store = await openStore(newDirectory(), { compactAtBytes: 1024, logger });
    for (let n = 0; n < 100; n += 1) await store.commit([put(`r${n}`, { text: 'x'.repeat(200) })]);
    await store.close();
    expect(lines.filter((line) => line.startsWith('compacted')).length).toBeLessThan(10);
  });

  it('ignores what a compaction left behind when it was cut off', async () => {
    const directory = newDirectory();
    const store = await openStore(directory);
    await store.commit([put('a')]);
    await store.close();
    writeFileSync(join(directory, 'config.log.new'), 'half a fi');
    const again = await openStore(directory);
    expect(namesIn(again)).toEqual(['a']);
    await again.close();
    expect(readdirSync(directory)).toEqual(['config.log']);
  });
});

describe('the lock of FileStore', () => {
  it('refuses a second store on the same directory, by whatever path, until the first is closed', async () => {
    const directory = newDirectory();
    const first = await openStore(directory);
    const expected = 'is in use by another process: two cannot share one data directory';
    await expect(openStore(directory)).rejects.toThrow(expected);
    await expect(openStore(join(directory, '..', directory.slice(folder.length)))).rejects.toThrow(expected);
    await first.close();
    const second = await openStore(directory);
    await second.close();
  });

  it('is given back when opening fails', async () => {
    const directory = directoryWith(Buffer.from('rubbish'));
    await expect(openStore(directory)).rejects.toThrow('is damaged');
    rmSync(join(directory, 'config.log'));
    const store = await openStore(directory);
    await store.close();
  });
});

describe('a log cut off at any byte', () => {
  it('opens with every whole record, says what it removed, and goes on from there', async () => {
    const { log, frameEnds } = await threeCommits();
    const [headerEnd = 0] = frameEnds;
    // log-format.test.ts looks at every byte; here the whole store runs where records begin, end, and in the last one.
    const lastStart = frameEnds.at(-2) ?? 0;
    for (let size = headerEnd; size <= log.length; size += 1) {
      const isNearEdge = frameEnds.some((end) => Math.abs(end - size) <= 1);
      if (size < lastStart && !isNearEdge) continue;
      const directory = directoryWith(log.subarray(0, size));
      const { logger, lines } = recordingLogger();
      const store = await openStore(directory, { logger, fileSystem: quickFileSystem });
      const whole = frameEnds.filter((end) => end <= size).length - 1;
      expect(namesIn(store)).toEqual(whole === 0 ? [] : ['a', 'all', 'b', 'c'].slice(0, whole + 1));
      expect(store.revision).toBe(whole);
      const removedBytes = size - (frameEnds[whole] ?? 0);
      expect(lines).toHaveLength(removedBytes === 0 ? 0 : 1);
      if (removedBytes > 0) expect(lines[0]).toContain(`"removedBytes":${removedBytes}`);
      await store.commit([put('new')]);
      await store.close();
      const again = await openStore(directory, { fileSystem: quickFileSystem });
      expect(again.revision).toBe(whole + 1);
      await again.close();
    }
  });

  it('is refused when not even its first line is whole: a file is only ever replaced by a whole one', async () => {
    const { log, frameEnds } = await threeCommits();
    for (let size = 0; size < (frameEnds[0] ?? 0); size += 1) {
      await expect(openStore(directoryWith(log.subarray(0, size)))).rejects.toThrow(
        `is damaged at byte 0 of ${size}: expected a file that starts with "heddle config log 1"`,
      );
    }
  });
});

describe('a log with one damaged byte', () => {
  it('refuses to start, wherever the byte is, and leaves the file alone', async () => {
    const { log, frameEnds } = await threeCommits();
    for (let offset = 0; offset < log.length; offset += 1) {
      const damaged = Buffer.from(log);
      damaged[offset] = (damaged[offset] ?? 0) ^ 0x01;
      const directory = directoryWith(damaged);
      const frameStart = [0, ...frameEnds].findLast((end) => end <= offset) ?? 0;
      await expect(openStore(directory), `offset ${offset}`).rejects.toThrow(
        `config.log is damaged at byte ${frameStart} of ${log.length}`,
      );
      expect(readFileSync(join(directory, 'config.log')).equals(damaged)).toBe(true);
    }
  });

  it('is repaired when the last record has a hole of zeros, as a power cut leaves it', async () => {
    const { log, frameEnds } = await threeCommits();
    const lastStart = frameEnds.at(-2) ?? 0;
    for (const [from, to] of [
      [lastStart, log.length],
      [lastStart, lastStart + 40],
      [lastStart + 40, log.length],
      [lastStart + 50, lastStart + 51],
    ] as const) {
      const torn = Buffer.from(log).fill(0, from, to);
      const store = await openStore(directoryWith(torn));
      expect(store.revision).toBe(2);
      await store.close();
    }
  });

  it('refuses to start when a record with a hole of zeros has intact records behind it', async () => {
    const { log, frameEnds } = await threeCommits();
    const [, start = 0] = frameEnds;
    for (const [from, to] of [
      [start, start + 10],
      [start + 60, start + 61],
    ] as const) {
      await expect(openStore(directoryWith(Buffer.from(log).fill(0, from, to)))).rejects.toThrow(
        'and intact records follow',
      );
    }
  });
});
