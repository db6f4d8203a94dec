import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../proxy/common/clock.ts';
import { WatchedFiles } from '../../../proxy/tls/watched-files.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { until } from '../../support/turns.ts';

let folder: string;
let clock: ManualClock;
let files: WatchedFiles;
let changes: number;

beforeEach(() => {
  folder = temporaryFolder();
  clock = new ManualClock();
  files = closeAfterTest(new WatchedFiles(clock));
  changes = 0;
});

const at = (name: string): string => join(folder, name);
const write = (name: string, text: string): void => writeFileSync(at(name), text);
const watch = (...names: string[]) => {
  const opened = files.open(() => (changes += 1));
  opened.watch(names.map(at));
  return opened;
};
const lookAgain = (): void => clock.advance(5_000);

describe('a watched file', () => {
  it('is read again when it changes, and nobody is told when it does not', () => {
    write('a', 'one');
    watch('a');
    expect(files.read(at('a'))).toEqual({ text: 'one' });
    lookAgain();
    expect(changes).toBe(0);
    write('a', 'two');
    lookAgain();
    expect(changes).toBe(1);
    expect(files.read(at('a'))).toEqual({ text: 'two' });
  });

  it('may come later and go again', () => {
    watch('a');
    expect(files.read(at('a')).fault).toBe(`${at('a')} cannot be read: ENOENT`);
    write('a', 'one');
    lookAgain();
    expect(files.read(at('a')).text).toBe('one');
    rmSync(at('a'));
    lookAgain();
    expect(files.read(at('a')).text).toBeUndefined();
    expect(changes).toBe(2);
  });

  it('may stand in a folder that comes later', () => {
    watch('certs/a');
    mkdirSync(at('certs'));
    write('certs/a', 'one');
    lookAgain();
    expect(files.read(at('certs/a')).text).toBe('one');
  });

  it('that is far too large is not read', () => {
    write('a', 'x'.repeat(4_194_305));
    watch('a');
    expect(files.read(at('a')).fault).toMatch(/must have at most 4194304 bytes, got 4194305/);
  });

  it('is replaced as Kubernetes does, by turning a link of its folder round', () => {
    const version = (name: string, text: string): void => {
      mkdirSync(at(name));
      write(`${name}/tls.crt`, `${text} certificate`);
      write(`${name}/tls.key`, `${text} key`);
    };
    version('..1', 'old');
    symlinkSync('..1', at('..data'));
    symlinkSync('..data/tls.crt', at('tls.crt'));
    symlinkSync('..data/tls.key', at('tls.key'));
    watch('tls.crt', 'tls.key');
    version('..2', 'new');
    symlinkSync('..2', at('..data_tmp'));
    renameSync(at('..data_tmp'), at('..data'));
    lookAgain();
    expect(files.read(at('tls.crt')).text).toBe('new certificate');
    expect(files.read(at('tls.key')).text).toBe('new key');
    expect(changes).toBe(1);
  });

  it('tells those who watch it, and not the others', () => {
    write('a', 'one');
    write('b', 'one');
    watch('a');
    const other = watch('b');
    write('a', 'two');
    lookAgain();
    expect(changes).toBe(1);
    other.watch([at('a')]);
    write('b', 'two');
    lookAgain();
    expect(changes).toBe(1);
    write('a', 'three');
    lookAgain();
    expect(changes).toBe(3);
    other.close();
    write('a', 'four');
    lookAgain();
    expect(changes).toBe(4);
  });

  it('costs nothing any more when nobody watches it', () => {
    watch('a').close();
    expect(clock.pendingTimers).toBe(0);
  });
});

it('is seen at once where the system tells of renames, both files of a pair together', async () => {
  const prompt = closeAfterTest(new WatchedFiles(systemClock));
  write('crt', 'old');
  write('key', 'old');
  const seen: (string | undefined)[] = [];
  prompt
    .open(() => seen.push(`${prompt.read(at('crt')).text} ${prompt.read(at('key')).text}`))
    .watch([at('crt'), at('key')]);
  for (const name of ['crt', 'key']) {
    write(`${name}.new`, 'new');
    renameSync(at(`${name}.new`), at(name));
  }
  await until(() => seen.length > 0, undefined, 4_000);
  expect(seen).toEqual(['new new']);
});
