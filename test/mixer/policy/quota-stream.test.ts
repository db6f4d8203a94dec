import { Client, credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import type { MixerServer } from '../../../mixer/server.ts';
import type { QuotaBucketSettings } from '../../../proxy/api/filter-config.ts';
import {
  decodeQuotaResponse,
  encodeUsageReports,
  type QuotaAction,
  type QuotaUsage,
  streamRateLimitQuotas,
} from '../../../proxy/api/quota-service.ts';
import type { QuotaBucket } from '../../../proxy/quota/quota-bucket.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { findSample, parsePrometheusText } from '../../support/prometheus-text.ts';
import { createQuotas, startMixer } from '../../support/quota-mesh.ts';
import { until } from '../mesh-of-two.ts';

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function mixer(clock: ManualClock): Promise<MixerServer> {
  const started = await startMixer(clock);
  closers.push(() => started.close());
  return started;
}

const open = { kind: 'blanket_rule', isAllowed: true } as const;
const closed = { kind: 'blanket_rule', isAllowed: false } as const;

function settings(limit: string, isClosed = false): QuotaBucketSettings {
  return {
    id: { 'default/limit': limit },
    reportingIntervalMs: 200,
    noAssignment: isClosed ? closed : open,
    expired: isClosed
      ? { strategy: closed, timeoutMs: Number.POSITIVE_INFINITY }
      : { strategy: { kind: 'reuse_last_assignment' }, timeoutMs: 60_000 },
  };
}

interface Sidecar {
  readonly bucket: QuotaBucket;
  readonly assignments: () => number;
}

function sidecar(clock: ManualClock, port: () => number | undefined, limit: QuotaBucketSettings): Sidecar {
  const { quotas, stats } = createQuotas(clock, port);
  closers.push(() => quotas.close());
  const bucket = quotas.client('mixer', 'heddle').bucket(limit);
  const assignments = stats.counter('rate_limit_quota.heddle.assignments');
  return { bucket, assignments: () => assignments.value };
}

/** Turns the clock on by a reporting interval and waits until everybody has the answer to its report. */
async function turn(clock: ManualClock, sidecars: readonly Sidecar[]): Promise<void> {
  const before = sidecars.map(({ assignments }) => assignments());
  clock.advance(200);
  await until(() => sidecars.every(({ assignments }, i) => assignments() > (before[i] ?? 0)), 'assignments');
}

async function begin(clock: ManualClock, sidecars: readonly Sidecar[]): Promise<void> {
  clock.advance(1);
  await until(() => sidecars.every(({ assignments }) => assignments() > 0), 'the first assignments');
}

function spend({ bucket }: Sidecar, count: number, clock: ManualClock): number {
  let passed = 0;
  for (let i = 0; i < count; i += 1) if (bucket.take(clock.monotonicMs())) passed += 1;
  return passed;
}

describe('a global RateLimit of 10 sidecars and one mixer', () => {
  test('passes no more than the burst and what came back, and nearly all of that', async () => {
    const clock = new ManualClock();
    const { grpcPort } = await mixer(clock);
    const sidecars = Array.from({ length: 10 }, () => sidecar(clock, () => grpcPort, settings('100/1000ms/100')));
    await begin(clock, sidecars);
    let passed = 0;
    const startMs = clock.monotonicMs();
    for (let i = 0; i < 25; i += 1) {
      for (const each of sidecars) passed += spend(each, 20, clock);
      await turn(clock, sidecars);
      // The stated bound, with the first look of all at the burst.
      expect(passed).toBeLessThanOrEqual(100 + (100 * (clock.monotonicMs() - startMs)) / 1_000);
    }
    expect(passed).toBeGreaterThan(500);
  });

  test('costs a few messages per second, however many requests there are', async () => {
    const clock = new ManualClock();
    const server = await mixer(clock);
    const one = sidecar(clock, () => server.grpcPort, settings('1000000/1000ms/1000000'));
    await begin(clock, [one]);
    for (let i = 0; i < 5; i += 1) {
      expect(spend(one, 10_000, clock)).toBe(10_000);
      await turn(clock, [one]);
    }
    expect(one.assignments()).toBe(6);
  });
});

describe('without its mixer', () => {
  async function losesMixer(isClosed: boolean): Promise<{ one: Sidecar; clock: ManualClock }> {
    const clock = new ManualClock();
    const server = await mixer(clock);
    const one = sidecar(clock, () => server.grpcPort, settings('10/1000ms/10', isClosed));
    await begin(clock, [one]);
    for (let i = 0; i < 5; i += 1) {
      spend(one, 5, clock);
      await turn(clock, [one]);
    }
    await server.close();
    return { one, clock };
  }

  test('a limit that fails closed refuses when the assignment is over, and not before', async () => {
    const { one, clock } = await losesMixer(true);
    clock.advance(1_500);
    expect(spend(one, 1, clock)).toBe(1);
    clock.advance(2_000);
    expect(spend(one, 100, clock)).toBe(0);
  });

  test('a limit that fails open keeps its last slice, then opens', async () => {
    const { one, clock } = await losesMixer(false);
    clock.advance(4_000);
    let passed = 0;
    for (let i = 0; i < 100; i += 1) {
      passed += spend(one, 5, clock);
      clock.advance(100);
    }
    // About ten per second for ten seconds, were mixer there.
    expect(passed).toBeGreaterThan(5);
    expect(passed).toBeLessThanOrEqual(110);
    clock.advance(60_000);
    expect(spend(one, 1_000, clock)).toBe(1_000);
  });

  test('from the start, each does what it says', () => {
    const clock = new ManualClock();
    const nobody = (): undefined => undefined;
    expect(spend(sidecar(clock, nobody, settings('1/1000ms/1')), 5, clock)).toBe(5);
    expect(spend(sidecar(clock, nobody, settings('1/1000ms/1', true)), 5, clock)).toBe(0);
  });

  test('a limit holds again when another mixer is there', async () => {
    const { one, clock } = await losesMixer(true);
    clock.advance(10_000);
    expect(spend(one, 1, clock)).toBe(0);
    const next = await mixer(clock);
    const again = sidecar(clock, () => next.grpcPort, settings('10/1000ms/10', true));
    await begin(clock, [again]);
    expect(spend(again, 100, clock)).toBe(10);
  });
});

describe('hostile reports', () => {
  interface Reporter {
    readonly call: ClientDuplexStream<Uint8Array, Uint8Array>;
    readonly answers: QuotaAction[];
    readonly ended: () => string | undefined;
  }

  function reporter({ grpcPort }: MixerServer): Reporter {
    const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure());
    closers.push(() => client.close());
    const { path, requestSerialize, responseDeserialize } = streamRateLimitQuotas;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const answers: QuotaAction[] = [];
    let ended: string | undefined;
    call.on('data', (bytes: Uint8Array) => answers.push(...(decodeQuotaResponse(bytes).value ?? [])));
    call.on('error', (error) => (ended = error.message));
    call.on('end', () => (ended ??= 'ended'));
    return { call, answers, ended: () => ended };
  }

  async function rejected({ metricsPort }: MixerServer, reason: string): Promise<number | undefined> {
    const page = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
    return findSample(parsePrometheusText(await page.text()), 'heddle_mixer_rejected_total', { reason });
  }

  const usage = (more: Partial<QuotaUsage> = {}): QuotaUsage => ({
    id: { 'default/limit': '10/1000ms/10' },
    elapsedMs: 200,
    allowedCount: 1,
    deniedCount: 0,
    ...more,
  });

  test.each([
    ['of another domain', encodeUsageReports({ domain: 'other', usages: [usage()] }), 'quota_domain'],
    ['that are no message', Buffer.from([0xff, 0xff, 0xff]), 'quota_report'],
    [
      'of a negative time',
      encodeUsageReports({ domain: 'heddle', usages: [usage({ elapsedMs: -1 })] }),
      'quota_report',
    ],
  ])('%s end the stream with a reason', async (_, bytes, reason) => {
    const server = await mixer(new ManualClock());
    const { call, ended } = reporter(server);
    call.write(bytes);
    await until(() => ended() !== undefined, 'the end');
    expect(ended()).toContain('INVALID_ARGUMENT');
    expect(await rejected(server, reason)).toBe(1);
  });

  test.each([
    ['of no time', { elapsedMs: 0 }, 'quota_report'],
    ['of more than anybody serves', { allowedCount: 2 ** 53 - 1 }, 'quota_report'],
    ['of a limit that is none', { id: { 'default/limit': 'NaN/1000ms/10' } }, 'quota_bucket'],
    ['of a negative limit', { id: { 'default/limit': '-1/1000ms/10' } }, 'quota_bucket'],
    ['of a burst below its requests', { id: { 'default/limit': '10/1000ms/1' } }, 'quota_bucket'],
    ['of a name of 1 MB', { id: { ['x'.repeat(1_000_000)]: '10/1000ms/10' } }, 'quota_bucket'],
    ['of nothing', { id: {} }, 'quota_bucket'],
  ])('%s are not counted, and others of the message are', async (_, more, reason) => {
    const server = await mixer(new ManualClock());
    const { call, answers, ended } = reporter(server);
    call.write(encodeUsageReports({ domain: 'heddle', usages: [usage(more), usage()] }));
    await until(() => answers.length > 0, 'an answer');
    expect(answers.map(({ id }) => id)).toEqual([{ 'default/limit': '10/1000ms/10' }]);
    expect(ended()).toBeUndefined();
    expect(await rejected(server, reason)).toBe(1);
  });

  test('of more and more buckets are bounded per instance', async () => {
    const server = await mixer(new ManualClock());
    const { call, answers } = reporter(server);
    const usages = Array.from({ length: 3_000 }, (_, i) => usage({ id: { [`default/${i}`]: '10/1000ms/10' } }));
    call.write(encodeUsageReports({ domain: 'heddle', usages }));
    await until(() => answers.length > 0, 'an answer');
    expect(answers).toHaveLength(1_000);
    expect(await rejected(server, 'quota_limit')).toBe(2_000);
  });
});
