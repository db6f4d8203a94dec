import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readManifestFiles } from '../../../pilot/cli/manifest-files.ts';

describe('the files that -f means', () => {
  let dir: string;
  const read = async (paths: readonly string[], isRecursive = false): Promise<string[]> =>
    (await readManifestFiles({ paths, isRecursive, stdin: Readable.from(['from ', 'stdin']) })).map(
      ({ name, text }) => `${name.replace(`${dir}/`, '')}=${text}`,
    );

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'heddle-files-'));
    mkdirSync(join(dir, 'below/empty'), { recursive: true });
    for (const name of ['b.yaml', 'a.yml', 'c.json', 'notes.md', 'below/d.yaml'])
      writeFileSync(join(dir, name), name[0] ?? '');
  });

  afterAll(() => rmSync(dir, { recursive: true }));

  test('a directory means its YAML and JSON files, by name', async () => {
    expect(await read([dir])).toEqual(['a.yml=a', 'b.yaml=b', 'c.json=c']);
  });

  test('-R reads the directories below too', async () => {
    expect(await read([dir], true)).toEqual(['a.yml=a', 'b.yaml=b', 'below/d.yaml=b', 'c.json=c']);
  });

  test('a file is read whatever its name, in the order given, and - is stdin', async () => {
    expect(await read([join(dir, 'notes.md'), '-', join(dir, 'a.yml')])).toEqual([
      'notes.md=n',
      'stdin=from stdin',
      'a.yml=a',
    ]);
  });

  test('a path that is not there and a directory without manifests are named', async () => {
    await expect(read([join(dir, 'x.yaml')])).rejects.toThrow(/x\.yaml: no such file or directory$/);
    await expect(read([join(dir, 'below/empty')])).rejects.toThrow(
      /below\/empty: holds no \.yaml, \.yml or \.json file$/,
    );
  });
});
