/** Controller and commands against pilot's real REST server, over sockets; only time and traffic are made up. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CanaryStatus } from '../../../crds/canary.ts';
import type { Resource } from '../../../crds/resource.ts';
import { CanaryController } from '../../../mixer/canary/controller.ts';
import { createHttpCaller } from '../../../mixer/canary/http-caller.ts';
import { PilotClient } from '../../../mixer/canary/pilot-client.ts';
import { TrafficObserver } from '../../../mixer/canary/traffic-observer.ts';
import { RestServer } from '../../../pilot/rest/rest-server.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { startApi, type TestApi } from '../../pilot/rest/support.ts';
import { runCommand } from '../../support/command.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { destinationRule } from './canaries.ts';
import { requests, series } from './samples.ts';

const canaries = '/apis/networking.heddle.dev/v1alpha1/namespaces/default/canaries';

let api: TestApi;
let clock: ManualClock;
let observer: TrafficObserver;
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  api = await startApi();
  clock = new ManualClock();
  observer = new TrafficObserver();
  const { apiVersion, kind, spec } = destinationRule;
  await api.call('POST', '/apis/networking.istio.io/v1/namespaces/default/destinationrules', {
    apiVersion,
    kind,
    metadata: { name: 'reviews' },
    spec,
  });
});

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await api.close();
});

function startMixer(holder: string): CanaryController {
  const pilot = new PilotClient(`http://127.0.0.1:${api.server.port}`);
  const caller = createHttpCaller();
  const history = (): number[] => [];
  const parts = { pilot, observer, history, caller, clock, logger: silentLogger, random: () => 0.5, holder };
  const controller = new CanaryController(parts);
  closing.push(async () => {
    await controller.close();
    await Promise.all([pilot.close(), caller.close()]);
  });
  void controller.start();
  return controller;
}

async function apply(analysis: object = {}): Promise<void> {
  const spec = {
    host: 'reviews',
    subsets: { primary: 'v1', canary: 'v2' },
    analysis: { interval: '2s', stepWeights: [5, 50], minRequests: 20, ...analysis },
  };
  const resource = {
    apiVersion: 'networking.heddle.dev/v1alpha1',
    kind: 'Canary',
    metadata: { name: 'reviews' },
    spec,
  };
  const { status, text } = await api.call('POST', canaries, resource);
  expect(status, text).toBe(201);
}

function stored(): Resource {
  return api.store.get({ kind: 'Canary', namespace: 'default', name: 'reviews' })!;
}

function status(): CanaryStatus {
  return stored().status ?? {};
}

const labels = { v1: series({ version: 'v1' }), v2: series({ version: 'v2' }) };

/** Seconds of traffic by the weight in force, each with the time that sockets need. */
async function run(seconds: number, until: () => boolean): Promise<void> {
  for (let i = 0; i < seconds && !until(); i += 1) {
    const weight = status().canaryWeight ?? 0;
    observer.increased(requests(labels.v1, 100 - weight, 0), []);
    observer.increased(requests(labels.v2, weight, 0), []);
    clock.advance(1000);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  expect(until()).toBe(true);
}

const isAt = (phase: string) => () => status().phase === phase;
const weightsOf = (): number[] => (status().decisions ?? []).map(({ weight }) => weight);

function heddle(...args: string[]) {
  return runCommand({ args: ['canary', ...args], env: { HEDDLE_SERVER: `http://127.0.0.1:${api.server.port}` } });
}

describe('over pilot itself', () => {
  test('a good release takes every step once', async () => {
    await apply();
    startMixer('a');
    await run(200, isAt('Succeeded'));
    expect(weightsOf()).toEqual([0, 0, 5, 50, 100, 100, 100]);
    expect(status().lease).toBeUndefined();
  });

  test('what the user wrote stays as it was written, version for version', async () => {
    await apply();
    const { generation } = stored().metadata;
    startMixer('a');
    await run(200, isAt('Succeeded'));
    expect(stored().metadata.generation).toBe(generation);
    expect(stored().spec).toMatchObject({ analysis: { stepWeights: [5, 50] } });
  });

  test('two mixers: one drives', async () => {
    await apply();
    startMixer('a');
    startMixer('b');
    await run(200, isAt('Succeeded'));
    expect(weightsOf()).toEqual([0, 0, 5, 50, 100, 100, 100]);
  });

  test('a pilot that is restarted in the middle holds the release up and no more', async () => {
    await apply();
    startMixer('a');
    await run(200, () => status().canaryWeight === 5);
    const { port } = api.server;
    await api.server.close();
    for (let i = 0; i < 5; i += 1) {
      clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    const restarted = new RestServer({ store: api.store, port, host: '127.0.0.1', logger: silentLogger });
    await restarted.start();
    closing.push(() => restarted.close());
    await run(300, isAt('Succeeded'));
    expect(weightsOf()).toEqual([0, 0, 5, 50, 100, 100, 100]);
  });
});

describe('heddle canary', () => {
  test('list, and watch of one that is decided: exit 0', async () => {
    await apply();
    startMixer('a');
    await run(200, isAt('Succeeded'));
    const list = await heddle('list');
    expect(list.stdout).toMatch(/reviews +v1 → v2 +Succeeded +100 %/);
    const watch = await heddle('watch', 'reviews');
    expect(watch).toMatchObject({ code: 0, stdout: expect.stringContaining('Succeeded') as string });
  });

  test('promote opens the gate, and only a gate', async () => {
    await apply({ manualGate: ['promotion'] });
    startMixer('a');
    await run(200, () => status().canaryWeight === 5);
    expect(await heddle('promote', 'reviews')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('opens a gate') as string,
    });
    await run(200, isAt('WaitingPromotion'));
    expect((await heddle('watch', 'reviews', '--wait')).code).toBe(4);
    expect(await heddle('promote', 'reviews')).toMatchObject({ code: 0 });
    await run(20, isAt('Succeeded'));
  });

  test('pause keeps the share, resume goes on, abort sends all back and is final', async () => {
    await apply({ minRequests: 1_000_000 });
    startMixer('a');
    await run(200, () => status().canaryWeight === 5);
    const isPaused = (): boolean =>
      status().conditions?.some(({ type, status: is }) => type === 'Paused' && is === 'True') === true;
    expect((await heddle('resume', 'reviews')).code).toBe(1);
    expect((await heddle('pause', 'reviews')).code).toBe(0);
    await run(20, isPaused);
    expect((await heddle('watch', 'reviews', '--wait')).code).toBe(4);
    expect((await heddle('resume', 'reviews')).code).toBe(0);
    await run(20, () => !isPaused());
    expect((await heddle('abort', 'reviews')).code).toBe(0);
    await run(20, isAt('Failed'));
    expect(status()).toMatchObject({ canaryWeight: 0, routing: { weight: 0 } });
    expect((await heddle('watch', 'reviews')).code).toBe(1);
    expect(await heddle('resume', 'reviews')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('final') as string,
    });
  });

  test('--timeout without a decision is exit 4, one that is not there exit 1, no pilot exit 3', async () => {
    await apply();
    expect(await heddle('watch', 'reviews', '--timeout', '0.1')).toMatchObject({
      code: 4,
      stdout: expect.stringContaining('not begun') as string,
    });
    expect((await heddle('watch', 'nobody')).code).toBe(1);
    await api.server.close();
    expect((await heddle('list')).code).toBe(3);
  });
});
