import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { FileStore } from '../../crds/file-store.ts';
import { type FileSystem, nodeFileSystem } from '../../crds/file-system.ts';
import { put } from './puts.ts';
import { namesIn } from './store-conformance.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-faults-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Operation = 'write' | 'sync' | 'truncate' | 'openFile' | 'rename' | 'syncDirectory' | 'readFile';

/** The real file system, of which chosen operations fail: `fails` names them, each for so many calls. */
class FaultyFileSystem implements FileSystem {
  readonly fails = new Map<Operation, number>();
  /** How much of a failing write reaches the file all the same. */
  partialBytes = 0;

  #check(operation: Operation, code: string): void {
    const left = this.fails.get(operation) ?? 0;
    if (left === 0) return;
    this.fails.set(operation, left - 1);
    throw Object.assign(new Error(`${code}: ${operation} failed`), { code });
  }

  readFile = (path: string): Promise<Buffer | undefined> =>
    this.#guarded('readFile', () => nodeFileSystem.readFile(path));
  rename = (from: string, to: string): Promise<void> => this.#guarded('rename', () => nodeFileSystem.rename(from, to));
  removeFile = (path: string): Promise<void> => nodeFileSystem.removeFile(path);
  makeDirectory = (path: string): Promise<void> => nodeFileSystem.makeDirectory(path);
  syncDirectory = (path: string): Promise<void> =>
    this.#guarded('syncDirectory', () => nodeFileSystem.syncDirectory(path));

  openFile: FileSystem['openFile'] = async (path, mode) => {
    this.#check('openFile', 'EMFILE');
    const file = await nodeFileSystem.openFile(path, mode);
    return {
      write: async (data, position) => {
        if ((this.fails.get('write') ?? 0) > 0) await file.write(data.subarray(0, this.partialBytes), position);
        this.#check('write', 'ENOSPC');
        await file.write(data, position);
      },
      sync: () => this.#guarded('sync', () => file.sync()),
      truncate: (sizeBytes) => this.#guarded('truncate', () => file.truncate(sizeBytes)),
      close: () => file.close(),
    };
  };

  async #guarded<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    this.#check(operation, 'EIO');
    return await work();
  }
}

describe('FileStore on a failing disk', () => {
  let fileSystem: FaultyFileSystem;
  let directory: string;
  let store: FileStore;

  const reopen = async (): Promise<FileStore> => {
    await store.close();
    const again = new FileStore(directory);
    await again.open();
    return again;
  };

  beforeEach(async () => {
    fileSystem = new FaultyFileSystem();
    directory = mkdtempSync(join(folder, 'd-'));
    store = new FileStore(directory, { fileSystem, compactAtBytes: 1024 });
    await store.open();
    await store.commit([put('before')]);
    return () => store.close();
  });

  it.each([0, 1, 30, 200])(
    'takes back a write that failed after %i bytes, and recovers when there is space again',
    async (bytes) => {
      fileSystem.fails.set('write', 1);
      fileSystem.partialBytes = bytes;
      const heard: number[] = [];
      store.subscribe(({ revision }) => heard.push(revision));
      await expect(store.commit([put('lost'), put('lost-too')])).rejects.toThrow(
        /^could not write .*config\.log: ENOSPC: write failed$/,
      );
      expect(namesIn(store)).toEqual(['before']);
      expect(store.revision).toBe(1);
      expect(heard).toEqual([]);
      await store.commit([put('later')]);
      expect(heard).toEqual([2]);
      const again = await reopen();
      expect(namesIn(again).toSorted()).toEqual(['before', 'later']);
      expect(again.revision).toBe(2);
      await again.close();
    },
  );

  it('rejects every commit that shared the failed write, and none that came later', async () => {
    fileSystem.fails.set('write', 1);
    const shared = await Promise.allSettled([store.commit([put('a')]), store.commit([put('b')])]);
    expect(shared.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((await store.commit([put('c')])).revision).toBe(2);
    expect(namesIn(store)).toEqual(['before', 'c']);
  });

  it('takes no more writes after a failed fsync, since nobody knows what is on the disk', async () => {
    fileSystem.fails.set('sync', 1);
    await expect(store.commit([put('lost')])).rejects.toThrow('could not write');
    expect(namesIn(store)).toEqual(['before']);
    await expect(store.commit([put('later')])).rejects.toThrow(
      /takes no more writes since the disk failed \(EIO: sync failed\): restart to recover$/,
    );
    expect(namesIn(store)).toEqual(['before']);
    const again = await reopen();
    expect(namesIn(again)).toEqual(['before']);
    expect((await again.commit([put('after')])).revision).toBe(2);
    await again.close();
  });

  it('goes on refusing, and closes, when it would also have to compact', async () => {
    const large = new FileStore(mkdtempSync(join(folder, 'd-')), { fileSystem, compactAtBytes: 1 });
    await large.open();
    fileSystem.fails.set('sync', 1);
    for (let n = 0; n < 3; n += 1) await expect(large.commit([put('lost', { n })])).rejects.toThrow('EIO: sync failed');
    await large.close();
  });

  it('takes no more writes when a failed one cannot be taken back', async () => {
    fileSystem.fails.set('write', 1).set('truncate', 1);
    fileSystem.partialBytes = 40;
    await expect(store.commit([put('lost')])).rejects.toThrow('ENOSPC');
    await expect(store.commit([put('later')])).rejects.toThrow(
      'takes no more writes since the disk failed (EIO: truncate failed)',
    );
    const again = await reopen();
    expect(namesIn(again)).toEqual(['before']);
    await again.close();
  });

  it('answers a commit that changes nothing even then', async () => {
    fileSystem.fails.set('sync', 1);
    await expect(store.commit([put('lost')])).rejects.toThrow('EIO');
    expect(await store.commit([put('before')])).toEqual({ revision: 1, puts: [], deletes: [] });
  });

  it.each(['openFile', 'rename'] as const)('keeps the old log when compaction fails in %s', async (operation) => {
    fileSystem.fails.set(operation, 100);
    for (let n = 0; n < 20; n += 1) await store.commit([put('a', { n, text: 'x'.repeat(100) })]);
    fileSystem.fails.clear();
    await store.commit([put('b')]);
    const again = await reopen();
    expect(namesIn(again).toSorted()).toEqual(['a', 'b', 'before']);
    expect(again.revision).toBe(22);
    await again.close();
  });

  it('takes no more writes when the name of a compacted log may not be on the disk', async () => {
    fileSystem.fails.set('syncDirectory', 1);
    const commits: Promise<unknown>[] = [];
    for (let n = 0; n < 20; n += 1) {
      const commit = store.commit([put('a', { n, text: 'x'.repeat(100) })]);
      await commit.catch(() => {});
      commits.push(commit);
    }
    const settled = await Promise.allSettled(commits);
    const acknowledged = settled.findIndex(({ status }) => status === 'rejected');
    expect(acknowledged).toBeGreaterThan(0);
    expect(settled.slice(acknowledged).every(({ status }) => status === 'rejected')).toBe(true);
    const again = await reopen();
    expect(again.list().find(({ metadata }) => metadata.name === 'a')?.spec).toMatchObject({ n: acknowledged - 1 });
    await again.close();
  });

  it('does not open what it cannot read, and can be opened when that is over', async () => {
    await store.close();
    fileSystem.fails.set('readFile', 1);
    await expect(store.open()).rejects.toThrow('EIO: readFile failed');
    await store.open();
    expect(namesIn(store)).toEqual(['before']);
  });
});
