import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, type TestContext } from 'vitest';
import { requireExecutable } from '../../../bench/executable.ts';
import { LimitPools } from '../../../mixer/policy/limit-pools.ts';
import { readLimit } from '../../../mixer/policy/limit-id.ts';
import type { LimitPool, Spender } from '../../../mixer/policy/limit-pool.ts';
import { SharedTokens } from '../../../mixer/policy/shared-tokens.ts';
import { MixerServer } from '../../../mixer/server.ts';
import { systemClock } from '../../../proxy/common/clock.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { requirePeers } from '../../support/peers.ts';
import { unusedPort } from '../../support/unused-port.ts';

/** A real Redis without a disk, which ends with the test. */
async function startRedis(
  context: TestContext,
  port?: number,
): Promise<{ url: string; port: number; end: () => Promise<void> }> {
  requirePeers(context, 'redis-server');
  const at = port ?? (await unusedPort());
  const dir = mkdtempSync(join(tmpdir(), 'heddle-redis-'));
  const args = ['--port', String(at), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir];
  const redis: ChildProcess = spawn(requireExecutable('redis-server', 'redis'), args, {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  redis.stdout?.on('data', (bytes: Buffer) => (output += bytes.toString()));
  const end = async (): Promise<void> => {
    if (redis.exitCode !== null || redis.signalCode !== null) return;
    const ended = once(redis, 'exit');
    redis.kill('SIGKILL');
    await ended;
  };
  onTestFinished(async () => {
    await end();
    rmSync(dir, { recursive: true, force: true });
  });
  for (let i = 0; i < 500 && !output.includes('Ready to accept'); i += 1) await sleep(10);
  return { url: `redis://127.0.0.1:${at}`, port: at, end };
}

interface Mixer {
  readonly pool: LimitPool;
  readonly spender: Spender;
  readonly tokens: SharedTokens;
}

/** A mixer's limit with one sidecar; balanced by the test alone. */
async function startMixer(url: string, text: string): Promise<Mixer> {
  const pools = new LimitPools({ isShared: true });
  const limit = readLimit('default/limit', text);
  const pool = limit && pools.find(limit, systemClock.monotonicMs());
  if (pool === undefined) throw new Error(text);
  const tokens = new SharedTokens({ url, pools, clock: { ...systemClock, setTimer: noTimer }, logger: silentLogger });
  onTestFinished(() => tokens.close());
  await tokens.start();
  return { pool, spender: pool.join(), tokens };
}

const noTimer = (): (() => void) => () => {};

/** The sidecar wants `count`, and spends what it gets. */
function spend({ pool, spender }: Mixer, count: number): number {
  const nowMs = systemClock.monotonicMs();
  pool.report(spender, { allowedCount: 0, deniedCount: count, elapsedMs: 200 }, nowMs);
  const passed = Math.min(count, pool.grant(spender, nowMs, 3_000));
  pool.report(spender, { allowedCount: passed, deniedCount: count - passed, elapsedMs: 200 }, nowMs);
  return passed;
}

describe('mixers that share a Redis', () => {
  test('hand out a limit once, not once each', async (context) => {
    const { url } = await startRedis(context);
    const mixers = [await startMixer(url, '100/3600000ms/100'), await startMixer(url, '100/3600000ms/100')];
    let passed = 0;
    for (let round = 0; round < 10; round += 1) {
      for (const mixer of mixers) {
        await mixer.tokens.balance();
        passed += spend(mixer, 20);
      }
    }
    expect(passed).toBeGreaterThan(95);
    expect(passed).toBeLessThanOrEqual(100);
  });

  test('give back what they do not need to the one that does', async (context) => {
    const { url } = await startRedis(context);
    const idle = await startMixer(url, '100/3600000ms/100');
    await idle.tokens.balance();
    expect(idle.pool.unslicedTokens).toBe(100);
    const busy = await startMixer(url, '100/3600000ms/100');
    let passed = 0;
    for (let round = 0; round < 20; round += 1) {
      await busy.tokens.balance();
      passed += spend(busy, 50);
      await idle.tokens.balance();
    }
    expect(passed).toBeGreaterThan(90);
    expect(passed + Math.max(0, idle.pool.unslicedTokens)).toBeLessThanOrEqual(100);
  });

  test('have what came back with the time, as one would', async (context) => {
    const { url } = await startRedis(context);
    const mixer = await startMixer(url, '100/1000ms/100');
    const startMs = systemClock.monotonicMs();
    let passed = 0;
    for (let round = 0; round < 10; round += 1) {
      await mixer.tokens.balance();
      passed += spend(mixer, 100);
      await sleep(50);
    }
    await mixer.tokens.balance();
    const possible = 100 + ((systemClock.monotonicMs() - startMs) * 100) / 1_000;
    expect(passed).toBeGreaterThan(120);
    expect(passed).toBeLessThanOrEqual(possible + 1);
  });

  test('go on with an equal part each when Redis is gone, and share again when it is back', async (context) => {
    const redis = await startRedis(context);
    const mixers = [await startMixer(redis.url, '100/1000ms/100'), await startMixer(redis.url, '100/1000ms/100')];
    for (const { tokens } of [...mixers, ...mixers]) await tokens.balance();
    for (const mixer of mixers) while (spend(mixer, 100) > 0);
    await redis.end();
    const before = mixers.map(({ pool }) => pool.tokens);
    for (const { tokens } of mixers) await tokens.balance();
    for (const mixer of mixers) spend(mixer, 0);
    await sleep(200);
    for (const mixer of mixers) spend(mixer, 0);
    const gained = mixers.map(({ pool }, i) => pool.tokens - (before[i] ?? 0));
    for (const tokens of gained) expect(tokens).toBeGreaterThan(5);
    await startRedis(context, redis.port);
    const [first] = mixers;
    for (let i = 0; i < 100 && (first?.pool.isFilledByClock ?? false); i += 1) {
      await sleep(50);
      await first?.tokens.balance();
    }
    expect(first?.pool.isFilledByClock).toBe(false);
  });

  test('do not start where no Redis is', async () => {
    const redisUrl = `redis://user:secret@127.0.0.1:${await unusedPort()}`;
    const mixer = new MixerServer({ grpcPort: 0, metricsPort: 0, redisUrl, logger: silentLogger });
    const failure = await mixer.start().then(
      () => 'started',
      (error: unknown) => String(error),
    );
    await mixer.close();
    expect(failure).toContain('no Redis at redis://127.0.0.1:');
    expect(failure).not.toContain('secret');
  });
});
