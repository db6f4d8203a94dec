import { describe, expect, test } from 'vitest';
import type { WriteFault } from './fake-pilot.ts';
import { ReleaseWorld } from './release-world.ts';

const isDone = (world: ReleaseWorld) => () => ['Succeeded', 'Failed'].includes(world.pilot.status().phase ?? '');
const isPaused = (world: ReleaseWorld): boolean =>
  world.pilot.status().conditions?.some(({ type, status }) => type === 'Paused' && status === 'True') === true;
const wholeWay = ['Initializing', 'Initialized', 'Progressing', 'Promoting', 'Finalising', 'Succeeded'];
const holders = (world: ReleaseWorld): string[] => [
  ...new Set(world.pilot.written.flatMap(({ lease }) => (lease === undefined ? [] : [lease.holder]))),
];

describe('a release driven by one mixer', () => {
  test('that is good takes every step once and stays', async () => {
    const world = new ReleaseWorld();
    await world.startMixer('a');
    await world.run(600, isDone(world));
    expect(world.phases).toEqual(wholeWay);
    expect(world.weights).toEqual([0, 5, 50, 100]);
    const writes = world.pilot.written.length;
    await world.run(30);
    expect(world.pilot.written.length).toBe(writes);
    expect(world.pilot.status()).toMatchObject({ phase: 'Succeeded', routing: { weight: 100 } });
    expect(world.pilot.status().lease).toBeUndefined();
  });

  test('that is bad is rolled back in the look that has the evidence', async () => {
    const world = new ReleaseWorld();
    world.rates = { traffic: 200, primary: 0.001, canary: 0.5 };
    await world.startMixer('a');
    await world.run(600, isDone(world));
    expect(world.pilot.status()).toMatchObject({
      phase: 'Failed',
      canaryWeight: 0,
      routing: { weight: 0, toMatched: false },
    });
    const last = world.pilot.status().decisions?.at(-1);
    expect(last).toMatchObject({ decision: 'rollback', weight: 0 });
    expect(last?.message).not.toBe('');
    expect(last?.counts?.canary.errors).toBeGreaterThan(0);
  });

  test('of some gateways expects no share of the requests elsewhere, one of all clients does', async () => {
    const analysis = { interval: '30s' };
    const [ofGateway, ofAll] = [new ReleaseWorld({ analysis, gateways: ['front'] }), new ReleaseWorld({ analysis })];
    for (const world of [ofGateway, ofAll]) {
      world.rates = { traffic: 100, primary: 0, canary: 0, elsewhere: 1_000 };
      await world.startMixer('a');
      await world.run(600, isDone(world));
    }
    expect(ofGateway.phases).toEqual(wholeWay);
    const { phase, conditions } = ofAll.pilot.status();
    expect(phase).toBe('Progressing');
    expect(conditions?.[0]?.message).toContain('sample ratio mismatch');
  });

  test('S4: without traffic there is no decision, and after maxDuration a pause that asks for one', async () => {
    const world = new ReleaseWorld({ analysis: { maxDuration: '60s' } });
    world.rates = { traffic: 0, primary: 0, canary: 0 };
    await world.startMixer('a');
    await world.run(600);
    expect(world.weights).toEqual([0, 5]);
    expect(world.pilot.status()).toMatchObject({ phase: 'Progressing', step: 0 });
    const paused = world.pilot.status().conditions?.find(({ type }) => type === 'Paused');
    expect(paused).toMatchObject({ status: 'True', reason: 'Timeout' });
    world.pilot.request('abort');
    await world.run(5);
    expect(world.pilot.status().phase).toBe('Failed');
  });

  test('waits for endpoints of both versions and says so; where nobody can know, it begins', async () => {
    const world = new ReleaseWorld();
    world.pilot.versions = ['v1'];
    await world.startMixer('a');
    await world.run(30);
    expect(world.weights).toEqual([0]);
    const { phase, conditions } = world.pilot.status();
    expect(phase).toBe('Initialized');
    expect(conditions?.[0]?.message).toBe(
      'waits for an endpoint of subset v2: none of reviews.default.svc.cluster.local has version v2',
    );
    world.pilot.versions = ['v1', 'v2'];
    await world.run(5);
    expect(world.pilot.status()).toMatchObject({ phase: 'Progressing', canaryWeight: 5 });
    const other = new ReleaseWorld();
    other.pilot.versions = undefined;
    await other.startMixer('a');
    await other.run(5);
    expect(other.pilot.status().phase).toBe('Progressing');
  });

  test('let go by hand before there is an endpoint begins when one comes', async () => {
    const world = new ReleaseWorld({ analysis: { manualGate: ['rollout'] } });
    world.pilot.versions = ['v1'];
    await world.startMixer('a');
    await world.run(10);
    world.pilot.request('promote');
    await world.run(20);
    expect(world.pilot.status()).toMatchObject({ phase: 'Waiting', canaryWeight: 0, request: { action: 'promote' } });
    world.pilot.versions = ['v1', 'v2'];
    await world.run(5);
    expect(world.pilot.status()).toMatchObject({ phase: 'Progressing', canaryWeight: 5 });
    expect(world.pilot.status().request).toBeUndefined();
  });

  test('stands at its gates until somebody says so, and forgets no request', async () => {
    const world = new ReleaseWorld({ analysis: { manualGate: ['rollout', 'promotion'] } });
    await world.startMixer('a');
    await world.run(120);
    expect(world.pilot.status().phase).toBe('Waiting');
    world.pilot.request('promote');
    await world.run(120);
    expect(world.pilot.status()).toMatchObject({ phase: 'WaitingPromotion', canaryWeight: 50 });
    expect(world.pilot.status().request).toBeUndefined();
    world.pilot.request('promote');
    await world.run(5);
    expect(world.pilot.status().phase).toBe('Succeeded');
  });

  test('begins anew with a new revision, and only with one', async () => {
    const world = new ReleaseWorld();
    await world.startMixer('a');
    await world.run(600, isDone(world));
    world.pilot.change(({ spec }) => ({ spec: { ...(spec as object), paused: false } }));
    await world.run(5);
    expect(world.pilot.status().phase).toBe('Succeeded');
    world.pilot.change(({ spec }) => ({ spec: { ...(spec as object), revision: '43' } }));
    await world.run(600, () => world.phases.length > wholeWay.length && isDone(world)());
    expect(world.phases).toEqual([...wholeWay, ...wholeWay]);
  });

  test('is on the metrics page', async () => {
    const world = new ReleaseWorld();
    await world.startMixer('a');
    const read = async (): Promise<Record<string, number>> => {
      const families = (await world.mixers.get('a')?.controller.metrics.families()) ?? [];
      return Object.fromEntries(
        families.flatMap(({ name, series }) =>
          [...series].map(({ labels, value }) => [`${name}{${labels}}`, Number(value)]),
        ),
      );
    };
    const of = (name: string): string => `heddle_canary_${name}{name="reviews",namespace="default"}`;
    await world.run(60, () => world.pilot.status().canaryWeight === 50);
    await world.run(1);
    expect(await read()).toMatchObject({
      [of('weight')]: 50,
      [of('status')]: 0,
      [of('driven')]: 1,
      [of('evalue')]: expect.closeTo(1) as number,
    });
    await world.run(600, isDone(world));
    await world.run(1);
    expect(await read()).toMatchObject({ [of('weight')]: 100, [of('status')]: 1, [of('driven')]: 0 });
  });

  test('says every decision in an event', async () => {
    const world = new ReleaseWorld();
    await world.startMixer('a');
    await world.run(600, isDone(world));
    await world.run(2);
    const reasons = [...world.pilot.events.values()].map(({ reason }) => reason);
    expect(reasons).toEqual([
      'Initialized',
      'Initialized',
      'Advanced',
      'Advanced',
      'Promoted',
      'Promoted',
      'Succeeded',
    ]);
  });

  test('jumps of the clock of the day change nothing', async () => {
    const world = new ReleaseWorld({ analysis: { maxDuration: '10m' } });
    let jumpMs = 0;
    const nowMs = world.clock.nowMs.bind(world.clock);
    world.clock.nowMs = () => nowMs() + jumpMs;
    await world.startMixer('a');
    for (const jump of [3_600_000, -86_400_000, 7 * 86_400_000, 0]) {
      jumpMs = jump;
      await world.run(4);
    }
    await world.run(600, isDone(world));
    expect(world.phases).toEqual(wholeWay);
    expect(world.weights).toEqual([0, 5, 50, 100]);
  });
});

describe('faults at every write', () => {
  const faults: readonly Exclude<WriteFault, undefined>[] = ['before', 'after'];
  for (const fault of faults) {
    for (let write = 1; write <= 12; write += 1) {
      test(`write ${write} is lost ${fault} it was stored: every step is taken once`, async () => {
        const world = new ReleaseWorld();
        world.pilot.fault = (n) => (n === write ? fault : undefined);
        await world.startMixer('a');
        await world.run(600, isDone(world));
        expect(world.phases).toEqual(wholeWay);
        expect(world.weights).toEqual([0, 5, 50, 100]);
      });

      test(`the mixer is killed at write ${write}, ${fault} it was stored: the next one goes on`, async () => {
        const world = new ReleaseWorld();
        let isKilled = false;
        world.pilot.fault = (n) => {
          if (n !== write) return undefined;
          isKilled = true;
          return fault;
        };
        await world.startMixer('a');
        await world.run(600, () => isKilled || isDone(world)());
        await world.killMixer('a');
        await world.startMixer('b');
        await world.run(900, isDone(world));
        expect(world.phases).toEqual(wholeWay);
        expect(world.weights).toEqual([0, 5, 50, 100]);
      });
    }
  }

  test('a pilot that is gone for a minute holds a release up and loses no evidence', async () => {
    const world = new ReleaseWorld();
    world.rates = { traffic: 100, primary: 0.001, canary: 0 };
    await world.startMixer('a');
    await world.run(60, () => world.pilot.status().canaryWeight === 5);
    world.pilot.isDown = true;
    world.rates = { traffic: 100, primary: 0.001, canary: 1 };
    await world.run(60);
    expect(world.pilot.status()).toMatchObject({ phase: 'Progressing', canaryWeight: 5 });
    world.pilot.isDown = false;
    await world.run(8, isDone(world));
    expect(world.pilot.status().phase).toBe('Failed');
  });

  test('a change by somebody else is a conflict, read again, and no decision is made twice', async () => {
    const world = new ReleaseWorld();
    await world.startMixer('a');
    for (let i = 0; i < 40 && !isDone(world)(); i += 1) {
      const mixer = world.mixers.get('a')!;
      // Both at once: the look has read its version, and writes after the other.
      const look = mixer.controller.lookAtAll();
      world.pilot.change(({ metadata }) => ({ metadata: { ...metadata, labels: { touched: String(i) } } }));
      await look;
      await world.run(1);
    }
    await world.run(600, isDone(world));
    expect(world.phases).toEqual(wholeWay);
    expect(world.weights).toEqual([0, 5, 50, 100]);
  });
});

describe('a status that somebody else wrote', () => {
  const garbage: readonly object[] = [
    { analysis: 'text' },
    { analysis: { judge: 7, elapsedMs: 'soon', step: null, primary: [], canary: { requests: -1, errors: {} } } },
    { analysis: { judge: {}, elapsedMs: Number.MAX_VALUE, stepElapsedMs: -1 } },
    { decisions: [], conditions: [] },
    { step: 1000 },
    { lease: { holder: '', renewedAt: '', seconds: 0 } },
    { lease: { holder: 'x', renewedAt: 'never', seconds: -1e9 } },
    { lease: { holder: 'x', renewedAt: '9999-12-31T00:00:00Z', seconds: 1e9 } },
  ];
  test.each(garbage)('%j stops no driver, and takes no step twice', async (written) => {
    const world = new ReleaseWorld();
    await world.startMixer('a');
    await world.run(60, () => world.pilot.status().canaryWeight === 5);
    world.pilot.change(({ status }) => ({ status: { ...(status as object), ...written } }));
    await world.run(1200, () => isDone(world)() || isPaused(world));
    world.pilot.request('abort');
    await world.run(700, isDone(world));
    expect(['Succeeded', 'Failed']).toContain(world.pilot.status().phase);
    expect(new Set(world.weights).size).toBe(world.weights.length - (world.weights.at(-1) === 0 ? 1 : 0));
  });
});

describe('two mixers', () => {
  test('never both drive: one holds the lease all the way', async () => {
    const world = new ReleaseWorld();
    await Promise.all([world.startMixer('a'), world.startMixer('b')]);
    await world.run(600, isDone(world));
    expect(holders(world)).toHaveLength(1);
    expect(world.phases).toEqual(wholeWay);
    expect(world.weights).toEqual([0, 5, 50, 100]);
    // Both tried once to take what nobody held.
    expect(world.pilot.conflicts).toBeLessThanOrEqual(1);
  });

  test('when one dies the other takes over within seven seconds of looks', async () => {
    const world = new ReleaseWorld();
    await world.startMixer('a');
    await world.startMixer('b');
    await world.run(60, () => world.pilot.status().canaryWeight === 5);
    const [first] = holders(world);
    await world.killMixer(first ?? '');
    await world.run(8);
    expect(holders(world)).toEqual(['a', 'b']);
    await world.run(600, isDone(world));
    expect(world.phases).toEqual(wholeWay);
  });

  test('one that ends in order hands over at once', async () => {
    const world = new ReleaseWorld();
    await world.startMixer('a');
    await world.run(60, () => world.pilot.status().canaryWeight === 5);
    await world.mixers.get('a')?.controller.drain(1000);
    world.mixers.delete('a');
    expect(world.pilot.status().lease).toBeUndefined();
    await world.startMixer('b');
    await world.run(2);
    expect(world.pilot.status().lease?.holder).toBe('b');
  });

  test('the one to which no sidecar reports lets the other try, and the release goes on', async () => {
    const world = new ReleaseWorld();
    world.deaf.add('a');
    await world.startMixer('a');
    await world.run(10);
    await world.startMixer('b');
    await world.run(15);
    expect(holders(world)).toEqual(['a']);
    await world.run(600, isDone(world));
    expect(holders(world)).toEqual(['a', 'b']);
    expect(world.phases).toEqual(wholeWay);
    expect(world.weights).toEqual([0, 5, 50, 100]);
  });

  test('where nobody hears a request they take turns, and nothing is decided', async () => {
    const world = new ReleaseWorld();
    for (const holder of ['a', 'b']) {
      world.deaf.add(holder);
      await world.startMixer(holder);
    }
    await world.run(150);
    const turns = world.pilot.written.flatMap(({ lease }) => lease?.holder ?? []);
    expect(turns.filter((holder, i) => holder !== turns[i - 1])).toEqual(['a', 'b', 'a', 'b', 'a']);
    expect(world.weights).toEqual([0, 5]);
  });

  test('one alone that stands aside counts on: what came meanwhile is evidence', async () => {
    const world = new ReleaseWorld({ analysis: { minRequests: 1_000_000 } });
    await world.startMixer('a');
    await world.run(20);
    world.deaf.add('a');
    await world.run(31);
    const hasLease = (): boolean => world.pilot.status().lease !== undefined;
    await world.run(10, () => !hasLease());
    expect(hasLease()).toBe(false);
    const before = world.pilot.status().counts?.primary.requests ?? 0;
    world.deaf.clear();
    await world.run(20);
    expect(hasLease()).toBe(true);
    const counted = (world.pilot.status().counts?.primary.requests ?? 0) - before;
    // Of the twenty seconds the last one or two may be unwritten.
    expect(counted).toBeGreaterThanOrEqual(95 * 17);
    expect(counted).toBeLessThanOrEqual(95 * 20);
  });

  test('a lease that is renewed is respected, whatever time its holder thinks it is', async () => {
    const world = new ReleaseWorld();
    world.pilot.change(() => ({
      status: { lease: { holder: 'elsewhere', renewedAt: '1970-01-01T00:00:00Z', seconds: 6 } },
    }));
    await world.startMixer('a');
    for (let i = 1; i <= 10; i += 1) {
      await world.run(5);
      const renewedAt = new Date(i * 1000).toISOString();
      world.pilot.change(() => ({ status: { lease: { holder: 'elsewhere', renewedAt, seconds: 6 } } }));
    }
    expect(world.pilot.written).toEqual([]);
    await world.run(8);
    expect(world.pilot.status().lease?.holder).toBe('a');
  });
});

describe('checks from outside', () => {
  const hooks = (...types: string[]): object => ({
    analysis: { webhooks: types.map((type) => ({ name: type, type, url: `http://127.0.0.1/${type}`, timeout: '1s' })) },
  });

  test('webhooks that never answer hold up every step and no rollback', async () => {
    const world = new ReleaseWorld(hooks('rollout', 'rollback', 'event'));
    world.answer = () => new Promise(() => {});
    await world.startMixer('a');
    await world.run(60);
    expect(world.pilot.status()).toMatchObject({ phase: 'Progressing', step: 0 });
    world.rates = { traffic: 400, primary: 0, canary: 1 };
    await world.run(6, isDone(world));
    expect(world.pilot.status().phase).toBe('Failed');
  });

  test('what is to follow a release is told of its failure, too', async () => {
    const world = new ReleaseWorld(hooks('post-rollout', 'event'));
    await world.startMixer('a');
    await world.run(60, () => world.pilot.status().canaryWeight === 5);
    world.asked.splice(0);
    world.pilot.request('abort');
    await world.run(3, isDone(world));
    const bodies = world.asked.map(({ body = '' }) => JSON.parse(body) as { phase: string; metadata: object });
    expect(world.asked.map(({ url }) => url.slice(17)).sort()).toEqual(['event', 'post-rollout']);
    for (const body of bodies) {
      expect(body).toMatchObject({ phase: 'Failed', metadata: { eventType: 'Warning', eventReason: 'rollback' } });
    }
  });

  test('a webhook of the type rollback rolls back by saying yes', async () => {
    const world = new ReleaseWorld(hooks('rollback'));
    let isAlarmed = false;
    world.answer = () => Promise.resolve({ status: isAlarmed ? 200 : 404, text: '' });
    await world.startMixer('a');
    await world.run(60, () => world.pilot.status().canaryWeight === 5);
    isAlarmed = true;
    await world.run(5, isDone(world));
    expect(world.pilot.status().decisions?.at(-1)).toMatchObject({ decision: 'rollback', rule: 'check' });
  });

  test('are asked in their phases, and again in each step', async () => {
    const types = ['pre-rollout', 'confirm-rollout', 'rollout', 'confirm-promotion', 'post-rollout'];
    const world = new ReleaseWorld(hooks(...types));
    await world.startMixer('a');
    await world.run(600, isDone(world));
    expect(world.pilot.status().phase).toBe('Succeeded');
    const asked = world.asked.map(({ url }) => url.slice(17));
    expect(asked.filter((type, i) => type !== asked[i - 1])).toEqual(types);
    expect(asked.filter((type) => type === 'rollout').length).toBeGreaterThanOrEqual(2);
  });

  const metric = {
    name: 'queue',
    provider: { address: 'http://127.0.0.1:9090' },
    query: 'queue_length',
    thresholdRange: { max: 10 },
  };
  const value = (text: string): string =>
    JSON.stringify({ status: 'success', data: { resultType: 'vector', result: [{ value: [1, text] }] } });

  test('a query without a number is never a pass, and never a rollback', async () => {
    const world = new ReleaseWorld({ analysis: { metrics: [metric] } });
    world.answer = () => Promise.resolve({ status: 200, text: value('NaN') });
    await world.startMixer('a');
    await world.run(120);
    expect(world.pilot.status()).toMatchObject({ phase: 'Progressing', step: 0 });
    expect(JSON.stringify(world.pilot.status().conditions)).toContain('no data');
    world.answer = () => Promise.resolve({ status: 200, text: value('3') });
    await world.run(60, isDone(world));
    expect(world.pilot.status().phase).toBe('Succeeded');
  });

  test('a query that leaves its range three times in a row rolls back, once holds', async () => {
    const world = new ReleaseWorld({ analysis: { metrics: [metric], minRequests: 1e6 } });
    world.answer = () => Promise.resolve({ status: 200, text: value('3') });
    await world.startMixer('a');
    await world.run(20, () => world.asked.length >= 2);
    let out = 1;
    world.answer = () => Promise.resolve({ status: 200, text: value((out -= 1) >= 0 ? '11' : '3') });
    await world.run(20);
    expect(world.pilot.status().phase).toBe('Progressing');
    out = 3;
    await world.run(20, isDone(world));
    expect(world.pilot.status().decisions?.at(-1)).toMatchObject({ decision: 'rollback', rule: 'check' });
  });
});
