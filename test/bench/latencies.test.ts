/** The series of the benchmark that measure latencies, one short round each, with nothing beside them. */
import { describe, expect, it } from 'vitest';
import type { OpenLoopReport } from '../../bench/open-loop/report.ts';
import type { TwoSidecarsReport } from '../../bench/two-sidecars/report.ts';
import { requirePeers } from '../support/peers.ts';
import { BenchFolder, shortest } from './bench-folder.ts';

describe('npm run bench', () => {
  it('measures latencies at a fixed rate', async (context) => {
    requirePeers(context, 'nginx');
    const folder = await BenchFolder.make();
    const only = '--only=heddle,no proxy';
    const { code } = await folder.start('open-loop', ...shortest, '--rate=500', only, '--json', folder.json).ended;
    expect(code).toBe(0);
    const { rows, ratePerSecond } = await folder.readReport<OpenLoopReport>();
    expect(ratePerSecond).toBe(500);
    expect(rows.map(({ status }) => status)).toEqual(['measured', 'measured']);
    for (const row of rows) expect(row.status === 'measured' && row.rounds[0]?.requests).toBe(500);
    expect(await folder.leftovers()).toEqual([]);
  }, 60_000);

  it('measures what two sidecars add to the latency', async (context) => {
    requirePeers(context, 'nginx');
    const folder = await BenchFolder.make();
    const options = [...shortest, '--rate=200', '--only=heddle twice,no proxy'];
    const { code } = await folder.start('two-sidecars', ...options, '--json', folder.json).ended;
    expect(code).toBe(0);
    const { rows } = await folder.readReport<TwoSidecarsReport>();
    expect(rows.map(({ row }) => row.status)).toEqual(['measured', 'measured']);
    expect(rows[0]?.added?.p50Us.median).toBeGreaterThan(0);
    expect(rows[1]?.added?.p50Us.median).toBe(0);
    expect(await folder.leftovers()).toEqual([]);
  }, 60_000);
});
