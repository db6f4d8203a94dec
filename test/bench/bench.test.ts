/** The benchmark as a user runs it: whole processes, one short round. The numbers themselves are not judged here. */
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { findExecutable } from '../../bench/executable.ts';
import type { Report } from '../../bench/report.ts';
import { requirePeers } from '../support/peers.ts';
import { BenchFolder, shortest } from './bench-folder.ts';

describe('npm run bench', () => {
  it('measures every installed peer, writes the same as JSON, and leaves nothing behind', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const folder = await BenchFolder.make();
    const { code, stdout } = await folder.start(...shortest, '--bodies=100,65536', '--json', folder.json).ended;
    expect(code).toBe(0);
    const { tables } = await folder.readReport<Report>();
    expect(tables.map(({ bodyBytes }) => bodyBytes)).toEqual([100, 65_536]);
    for (const { rows } of tables) {
      const failures = rows.flatMap((row) => (row.status === 'failed' ? [`${row.peer}: ${row.reason}`] : []));
      expect(failures).toEqual([]);
      const missing = rows.flatMap((row) => (row.status === 'missing' ? [row.peer] : []));
      expect(missing).toEqual(findExecutable('envoy') === undefined ? ['envoy'] : []);
    }
    expect(stdout).toMatch(/^haproxy .* 1\.00 ×/m);
    expect(await readdir(folder.path)).toEqual(['report.json']);
    expect(await folder.leftovers()).toEqual([]);
  }, 180_000);

  it('starts Heddle and Envoy from the same file', async (context) => {
    requirePeers(context, 'nginx', 'wrk', 'envoy');
    const folder = await BenchFolder.make();
    const { stdout } = await folder.start(...shortest, '--bodies=100', '--only=heddle,envoy').ended;
    expect(stdout).toMatch(/^heddle +\d+\.\d/m);
    expect(stdout).toMatch(/^envoy +\d+\.\d/m);
  }, 60_000);

  it('ends everything it has started when it is interrupted', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const folder = await BenchFolder.make();
    const bench = folder.start('--rounds=1000', '--seconds=1', '--warmup-seconds=0', '--bodies=100', '--only=haproxy');
    await expect.poll(bench.progress, { timeout: 20_000 }).toContain('round 1 haproxy');
    bench.interrupt();
    expect((await bench.ended).code).toBe(1);
    expect(bench.progress()).toContain('stopped by SIGINT');
    expect(await readdir(folder.path)).toEqual([]);
    expect(await folder.leftovers()).toEqual([]);
  }, 60_000);

  it('says what it can do', async () => {
    const folder = await BenchFolder.make();
    const programHelp = await folder.start('--help').ended;
    expect(programHelp.code).toBe(0);
    for (const series of ['hop', 'features', 'open-loop', 'memory']) expect(programHelp.stdout).toContain(series);
    const { code, stdout } = await folder.start('hop', '--help').ended;
    expect(code).toBe(0);
    for (const option of ['--rounds', '--seconds', '--bodies', '--connections', '--only', '--json']) {
      expect(stdout).toContain(option);
    }
  });
});
