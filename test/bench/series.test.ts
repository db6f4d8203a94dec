/** Further series of the benchmark as a user runs them, one short round each. */
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { FeatureReport } from '../../bench/features/report.ts';
import type { MemoryReport } from '../../bench/memory/report.ts';
import type { RedirectedReport } from '../../bench/original-destination/report.ts';
import type { TlsReport } from '../../bench/tls/report.ts';
import { requirePeers } from '../support/peers.ts';
import { requirePods } from '../support/pods.ts';
import { BenchFolder, shortest } from './bench-folder.ts';

describe('npm run bench', () => {
  it('measures features alone, and says which this build does not have', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const folder = await BenchFolder.make();
    const only = '--only=haproxy,heddle,heddle + retries,heddle + everything';
    const { code } = await folder.start('features', ...shortest, only, '--json', folder.json).ended;
    expect(code).toBe(0);
    const { rows } = await folder.readReport<FeatureReport>();
    const statuses = rows.map(({ row }) => (row.status === 'measured' ? row.status : row.reason));
    expect(statuses.slice(0, 3)).toEqual(['measured', 'measured', 'measured']);
    expect(statuses[3]).toMatch(/^measured$|^not supported by this build: static_resources/);
    expect(rows[2]?.cost?.micros.median).toEqual(expect.any(Number));
    expect(rows[2]?.verdict).toMatch(/^met$|^missed$/);
    expect(await folder.leftovers()).toEqual([]);
  }, 60_000);

  it('measures what TLS costs, ended and passed on', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const folder = await BenchFolder.make();
    const options = [...shortest, '--bodies=100', '--connections=8', '--only=heddle,haproxy'];
    const { code } = await folder.start('tls', ...options, '--json', folder.json).ended;
    expect(code).toBe(0);
    const { terminating, passing } = await folder.readReport<TlsReport>();
    for (const { base, own } of [...(terminating[0]?.rows ?? []), ...passing]) {
      expect([base, own]).toMatchObject([{ status: 'measured' }, { status: 'measured' }]);
    }
    expect(await folder.leftovers()).toEqual([]);
  }, 60_000);

  it('measures memory, idle and over a soak', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const folder = await BenchFolder.make();
    const options = ['--seconds=1', '--soak-requests=1000', '--only=heddle,haproxy'];
    const { code, stdout } = await folder.start('memory', ...options, '--json', folder.json).ended;
    expect(code).toBe(0);
    const { rows } = await folder.readReport<MemoryReport>();
    expect(rows.map(({ status }) => status)).toEqual(['measured', 'measured']);
    expect(stdout).toMatch(/^heddle +\d+\.\d +≤ 90\.0/m);
    expect(await folder.leftovers()).toEqual([]);
  }, 60_000);

  it('measures redirected connections in a network namespace of their own', async (context) => {
    requirePods(context);
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const folder = await BenchFolder.make();
    const options = [...shortest, '--connections=8', '--only=heddle,haproxy,nginx'];
    const { code } = await folder.start('original-destination', ...options, '--json', folder.json).ended;
    expect(code).toBe(0);
    const { rows } = await folder.readReport<RedirectedReport>();
    expect(rows.map(({ status }) => status)).toEqual(['measured', 'measured', 'missing']);
    expect(await folder.leftovers()).toEqual([]);
  }, 60_000);

  it('ends that too when it is interrupted', async (context) => {
    requirePods(context);
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const folder = await BenchFolder.make();
    const options = ['--rounds=1000', '--seconds=1', '--warmup-seconds=0', '--only=haproxy'];
    const bench = folder.start('original-destination', ...options);
    await expect.poll(bench.progress, { timeout: 20_000 }).toContain('round 1 haproxy');
    bench.interrupt();
    expect((await bench.ended).code).toBe(1);
    expect(await readdir(folder.path)).toEqual([]);
    expect(await folder.leftovers()).toEqual([]);
  }, 60_000);
});
