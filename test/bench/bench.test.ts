/** The benchmark as a user runs it: whole processes, one short round. The numbers themselves are not judged here. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findExecutable } from '../../bench/executable.ts';
import type { FeatureReport } from '../../bench/features/report.ts';
import type { MemoryReport } from '../../bench/memory/report.ts';
import type { OpenLoopReport } from '../../bench/open-loop/report.ts';
import type { RedirectedReport } from '../../bench/original-destination/report.ts';
import type { Report } from '../../bench/report.ts';
import type { TlsReport } from '../../bench/tls/report.ts';
import type { TwoSidecarsReport } from '../../bench/two-sidecars/report.ts';
import { requirePeers } from '../support/peers.ts';
import { requirePods } from '../support/pods.ts';

const program = fileURLToPath(new URL('../../dist/bench/main.js', import.meta.url));
const shortest = ['--rounds=1', '--seconds=1', '--warmup-seconds=1', '--bodies=100,65536'];
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-bench-test-'));
});
afterEach(() => rm(directory, { recursive: true }));

interface Bench {
  /** Everything on stderr so far. */
  readonly progress: () => string;
  readonly ended: Promise<{ code: number | null; stdout: string }>;
  interrupt(): void;
}

/** The benchmark gets a temporary folder of its own, so that what it leaves behind can be seen. */
function startBench(...args: string[]): Bench {
  const child = spawn(process.execPath, [program, ...args], { env: { ...process.env, TMPDIR: directory } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return {
    progress: () => stderr,
    ended: once(child, 'close').then(([code]) => ({ code: code as number | null, stdout })),
    interrupt: () => child.kill('SIGINT'),
  };
}

/** Command lines of processes that still use the benchmark's folder. */
async function leftovers(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (commandLine.includes(directory) || cwd.startsWith(directory)) found.push(commandLine);
  }
  return found;
}

describe('npm run bench', () => {
  it('measures every installed peer, writes the same as JSON, and leaves nothing behind', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const json = join(directory, 'report.json');
    const { code, stdout } = await startBench(...shortest, '--json', json).ended;
    expect(code).toBe(0);
    const { tables } = JSON.parse(await readFile(json, 'utf8')) as Report;
    expect(tables.map(({ bodyBytes }) => bodyBytes)).toEqual([100, 65_536]);
    for (const { rows } of tables) {
      const failures = rows.flatMap((row) => (row.status === 'failed' ? [`${row.peer}: ${row.reason}`] : []));
      expect(failures).toEqual([]);
      const missing = rows.flatMap((row) => (row.status === 'missing' ? [row.peer] : []));
      expect(missing).toEqual(findExecutable('envoy') === undefined ? ['envoy'] : []);
    }
    expect(stdout).toMatch(/^haproxy .* 1\.00 ×/m);
    expect(await readdir(directory)).toEqual(['report.json']);
    expect(await leftovers()).toEqual([]);
  }, 180_000);

  it('starts Heddle and Envoy from the same file', async (context) => {
    requirePeers(context, 'nginx', 'wrk', 'envoy');
    const { stdout } = await startBench(...shortest, '--bodies=100', '--only=heddle,envoy').ended;
    expect(stdout).toMatch(/^heddle +\d+\.\d/m);
    expect(stdout).toMatch(/^envoy +\d+\.\d/m);
  }, 60_000);

  it('ends everything it has started when it is interrupted', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const bench = startBench('--rounds=1000', '--seconds=1', '--warmup-seconds=1', '--bodies=100', '--only=haproxy');
    await expect.poll(bench.progress, { timeout: 20_000 }).toContain('round 1 haproxy');
    bench.interrupt();
    expect((await bench.ended).code).toBe(1);
    expect(bench.progress()).toContain('stopped by SIGINT');
    expect(await readdir(directory)).toEqual([]);
    expect(await leftovers()).toEqual([]);
  }, 60_000);

  it('measures features alone, and says which this build does not have', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const json = join(directory, 'report.json');
    const only = '--only=haproxy,heddle,heddle + retries,heddle + everything';
    const { code } = await startBench('features', ...shortest.slice(0, 3), only, '--json', json).ended;
    expect(code).toBe(0);
    const { rows } = JSON.parse(await readFile(json, 'utf8')) as FeatureReport;
    const statuses = rows.map(({ row }) => (row.status === 'measured' ? row.status : row.reason));
    expect(statuses.slice(0, 3)).toEqual(['measured', 'measured', 'measured']);
    expect(statuses[3]).toMatch(/^measured$|^not supported by this build: static_resources/);
    expect(rows[2]?.cost?.micros.median).toEqual(expect.any(Number));
    expect(rows[2]?.verdict).toMatch(/^met$|^missed$/);
    expect(await leftovers()).toEqual([]);
  }, 60_000);

  it('measures redirected connections in a network namespace of their own', async (context) => {
    requirePods(context);
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const json = join(directory, 'report.json');
    const options = [...shortest.slice(0, 3), '--connections=8', '--only=heddle,haproxy,nginx'];
    const { code } = await startBench('original-destination', ...options, '--json', json).ended;
    expect(code).toBe(0);
    const { rows } = JSON.parse(await readFile(json, 'utf8')) as RedirectedReport;
    expect(rows.map(({ status }) => status)).toEqual(['measured', 'measured', 'missing']);
    expect(await leftovers()).toEqual([]);
  }, 60_000);

  it('ends that too when it is interrupted', async (context) => {
    requirePods(context);
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const options = ['--rounds=1000', '--seconds=1', '--warmup-seconds=1', '--only=haproxy'];
    const bench = startBench('original-destination', ...options);
    await expect.poll(bench.progress, { timeout: 20_000 }).toContain('round 1 haproxy');
    bench.interrupt();
    expect((await bench.ended).code).toBe(1);
    expect(await readdir(directory)).toEqual([]);
    expect(await leftovers()).toEqual([]);
  }, 60_000);

  it('measures latencies at a fixed rate', async (context) => {
    requirePeers(context, 'nginx');
    const json = join(directory, 'report.json');
    const only = '--only=heddle,no proxy';
    const { code } = await startBench('open-loop', ...shortest.slice(0, 3), '--rate=500', only, '--json', json).ended;
    expect(code).toBe(0);
    const { rows, ratePerSecond } = JSON.parse(await readFile(json, 'utf8')) as OpenLoopReport;
    expect(ratePerSecond).toBe(500);
    expect(rows.map(({ status }) => status)).toEqual(['measured', 'measured']);
    for (const row of rows) expect(row.status === 'measured' && row.rounds[0]?.requests).toBe(500);
    expect(await leftovers()).toEqual([]);
  }, 60_000);

  it('measures what TLS costs, ended and passed on', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const json = join(directory, 'report.json');
    const options = [...shortest.slice(0, 3), '--bodies=100', '--connections=8', '--only=heddle,haproxy'];
    const { code } = await startBench('tls', ...options, '--json', json).ended;
    expect(code).toBe(0);
    const { terminating, passing } = JSON.parse(await readFile(json, 'utf8')) as TlsReport;
    for (const { base, own } of [...(terminating[0]?.rows ?? []), ...passing]) {
      expect([base, own]).toMatchObject([{ status: 'measured' }, { status: 'measured' }]);
    }
    expect(await leftovers()).toEqual([]);
  }, 60_000);

  it('measures what two sidecars add to the latency', async (context) => {
    requirePeers(context, 'nginx');
    const json = join(directory, 'report.json');
    const options = [...shortest.slice(0, 3), '--rate=200', '--only=heddle twice,no proxy'];
    const { code } = await startBench('two-sidecars', ...options, '--json', json).ended;
    expect(code).toBe(0);
    const { rows } = JSON.parse(await readFile(json, 'utf8')) as TwoSidecarsReport;
    expect(rows.map(({ row }) => row.status)).toEqual(['measured', 'measured']);
    expect(rows[0]?.added?.p50Us.median).toBeGreaterThan(0);
    expect(rows[1]?.added?.p50Us.median).toBe(0);
    expect(await leftovers()).toEqual([]);
  }, 60_000);

  it('measures memory, idle and over a soak', async (context) => {
    requirePeers(context, 'nginx', 'haproxy', 'wrk');
    const json = join(directory, 'report.json');
    const options = ['--seconds=1', '--soak-requests=1000', '--only=heddle,haproxy'];
    const { code, stdout } = await startBench('memory', ...options, '--json', json).ended;
    expect(code).toBe(0);
    const { rows } = JSON.parse(await readFile(json, 'utf8')) as MemoryReport;
    expect(rows.map(({ status }) => status)).toEqual(['measured', 'measured']);
    expect(stdout).toMatch(/^heddle +\d+\.\d +≤ 90\.0/m);
    expect(await leftovers()).toEqual([]);
  }, 60_000);

  it('says what it can do', async () => {
    const programHelp = await startBench('--help').ended;
    expect(programHelp.code).toBe(0);
    for (const series of ['hop', 'features', 'open-loop', 'memory']) expect(programHelp.stdout).toContain(series);
    const { code, stdout } = await startBench('hop', '--help').ended;
    expect(code).toBe(0);
    for (const option of ['--rounds', '--seconds', '--bodies', '--connections', '--only', '--json']) {
      expect(stdout).toContain(option);
    }
  });
});
