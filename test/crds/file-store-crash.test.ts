import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { FileStore } from '../../crds/file-store.ts';
import { keyFor } from './puts.ts';

const program = fileURLToPath(new URL('../../dist/test/crds/committing-process.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'heddle-crash-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Acknowledged {
  readonly revision: number;
  readonly id: string;
}

/** Runs the process until it has acknowledged `commits` more, kills it in the middle of its work, returns what it said. */
async function commitAndKill(directory: string, commits: number, compactAtBytes: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [program, directory, String(compactAtBytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let killed = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (killed || output.split('\n').length <= commits) return;
    killed = true;
    child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' '))
    .map(([revision = '', id = '']) => ({ revision: Number(revision), id }));
}

describe('a process killed while it commits', () => {
  it.each([
    ['with a log that only grows', Number.MAX_SAFE_INTEGER],
    ['with a log that is compacted all the time', 4096],
  ])('loses nothing that it acknowledged and shows no transaction in part, %s', async (_name, compactAtBytes) => {
    const directory = mkdtempSync(join(folder, 'd-'));
    const acknowledged: Acknowledged[] = [];
    for (const commits of [1, 7, 40, 3]) {
      acknowledged.push(...(await commitAndKill(directory, commits, compactAtBytes)));
      const store = new FileStore(directory);
      await store.open();
      for (const { id } of acknowledged) {
        expect(store.get(keyFor(`left-${id}`)), `left-${id}`).toBeDefined();
        expect(store.get(keyFor(`right-${id}`)), `right-${id}`).toBeDefined();
      }
      const names = store.list().map(({ metadata }) => metadata.name);
      const lefts = names.filter((name) => name.startsWith('left-'));
      expect(names).toHaveLength(2 * lefts.length + 1);
      expect(store.revision).toBe(lefts.length);
      expect(store.revision).toBeGreaterThanOrEqual(acknowledged.at(-1)?.revision ?? 0);
      await store.close();
    }
    expect(acknowledged.map(({ revision }) => revision)).toEqual([
      ...new Set(acknowledged.map(({ revision }) => revision)),
    ]);
  });

  it('keeps its directory to itself until then', async () => {
    const directory = mkdtempSync(join(folder, 'd-'));
    const child = spawn(process.execPath, [program, directory, '4096'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const store = new FileStore(directory);
    await expect(store.open()).rejects.toThrow('is in use by another process');
    child.kill('SIGKILL');
    await once(child, 'close');
    await store.open();
    expect(store.revision).toBeGreaterThan(0);
    await store.close();
  });
});
