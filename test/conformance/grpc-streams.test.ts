/** Long streams of gRPC outlive what happens to the mesh meanwhile: rules that change, and workloads that leave. */
import { describe, expect, test } from 'vitest';
import { destinationRule, virtualService } from '../simulation/yaml.ts';
import { GrpcBackend } from '../support/grpc/grpc-backend.ts';
import type { GrpcAnswer, GrpcClient } from '../support/grpc/grpc-client.ts';
import {
  addWorkload,
  cartSubsets,
  type GrpcMesh,
  startGrpcMesh,
  toSubset,
  untilEndpoints,
  type WorkloadSidecar,
} from '../support/grpc/grpc-mesh.ts';
import { until } from '../support/turns.ts';
import { besideEachSidecar, type Sidecar } from './live-mesh.ts';

interface Started extends GrpcMesh {
  readonly backends: Readonly<Record<string, GrpcBackend>>;
  readonly sidecars: Readonly<Record<string, WorkloadSidecar>>;
}

/** Versions v1 and v2 of `cart`, beside a sidecar each. */
async function start(kind: Sidecar, yaml = ''): Promise<Started> {
  const started = await startGrpcMesh({ yaml });
  const [backends, sidecars]: [Record<string, GrpcBackend>, Record<string, WorkloadSidecar>] = [{}, {}];
  for (const version of ['v1', 'v2']) {
    const backend = await GrpcBackend.start(version);
    backends[backend.name] = backend;
    sidecars[backend.name] = await addWorkload(started, kind, { service: 'cart', version, appPort: backend.port });
  }
  await untilEndpoints(started.mesh, 2);
  return { ...started, backends, sidecars };
}

/** Calls one after the other until it is told to stop. */
class Caller {
  readonly answers: GrpcAnswer[] = [];
  readonly #stopped = new AbortController();
  readonly #calling: Promise<void>;

  constructor(client: GrpcClient) {
    this.#calling = this.#call(client);
  }

  async #call(client: GrpcClient): Promise<void> {
    while (!this.#stopped.signal.aborted) this.answers.push(await client.call());
  }

  async untilLanded(name: string): Promise<void> {
    await until(() => this.answers.some(({ landed }) => landed === name));
  }

  /** When nothing lands there any more. */
  async untilNoneLands(name: string): Promise<void> {
    const last = (): (string | undefined)[] => this.answers.slice(-20).map(({ landed }) => landed);
    await until(
      () => this.answers.length > 40 && !last().includes(name),
      () => `calls to land elsewhere than ${name}: ${last().join()}`,
    );
  }

  /** Resolves with the calls that failed. */
  async stop(): Promise<unknown[]> {
    this.#stopped.abort();
    await this.#calling;
    return this.answers.filter(({ status }) => status !== 'OK').map(({ status, details }) => ({ status, details }));
  }
}

besideEachSidecar((kind) => {
  test('B7: a conversation outlives twenty pushes of other rules, and new calls follow each of them', async () => {
    const rules = (subset: string, rest = ''): string => virtualService('cart', `[{ ${rest}${toSubset(subset)} }]`);
    const { client, mesh } = await start(kind, cartSubsets + rules('v1'));
    const startMs = performance.now();
    const chat = client.chat();
    expect(await chat.say('hello')).toBe('cart-v1: hello');
    for (let round = 0; round < 20; round++) {
      const version = round % 2 === 0 ? 'v2' : 'v1';
      // The cluster that the conversation goes by comes and goes as well.
      const subsets = destinationRule('cart', `subsets: [{ name: ${version}, labels: { version: ${version} } }]`, {
        name: 'subsets',
      });
      await mesh.apply(rules(version, `timeout: ${round + 500}ms, `) + subsets);
      expect(await chat.say(String(round))).toBe(`cart-v1: ${round}`);
      await expect.poll(async () => (await client.call()).landed).toBe(`cart-${version}`);
      expect(await client.share(5)).toEqual({ [`cart-${version}`]: 5 });
    }
    // None of their timeouts is one for the conversation.
    await until(() => performance.now() - startMs > 600);
    expect(await chat.say('after')).toBe('cart-v1: after');
    expect((await chat.end()).status).toBe('OK');
  });

  test('B7: no call on a connection fails while the rules for it change', async () => {
    const to = (subset: string): string => virtualService('cart', `[{ ${toSubset(subset)} }]`);
    const { client, mesh } = await start(kind, cartSubsets + to('v1'));
    const caller = new Caller(client);
    for (let round = 0; round < 10; round++) {
      const subset = `round-${round}`;
      const version = round % 2 === 0 ? 'v2' : 'v1';
      const subsets = destinationRule('cart', `subsets: [{ name: ${subset}, labels: { version: ${version} } }]`, {
        name: 'subsets',
      });
      await mesh.apply(to(subset) + subsets);
    }
    expect(await caller.stop()).toEqual([]);
    expect(caller.answers.length).toBeGreaterThan(20);
  });

  test('a server without a sidecar that is told to end costs no call, and finishes its conversation', async () => {
    const servers = await Promise.all([GrpcBackend.start('v1'), GrpcBackend.start('v2')]);
    const { client } = await startGrpcMesh({ servers });
    const chat = client.chat();
    const [name = ''] = (await chat.say('hello')).split(':');
    const caller = new Caller(client);
    await caller.untilLanded(name);
    const left = servers.find((server) => server.name === name)?.leave();
    await caller.untilNoneLands(name);
    expect(await chat.say('still there?')).toBe(`${name}: still there?`);
    expect((await chat.end()).status).toBe('OK');
    await left;
    expect(await caller.stop()).toEqual([]);
  });

  describe('B10: a workload leaves', () => {
    test('its conversations finish, new calls go elsewhere, and not one of them fails', async () => {
      const { client, backends, sidecars } = await start('heddle');
      const chat = client.chat();
      const [leaving = ''] = (await chat.say('hello')).split(':');
      const caller = new Caller(client);
      await caller.untilLanded(leaving);
      let isOver = false;
      const drained = sidecars[leaving]?.proxy?.drain(20_000).then(() => (isOver = true));
      await caller.untilNoneLands(leaving);
      expect(await chat.say('still there?')).toBe(`${leaving}: still there?`);
      expect(await caller.stop()).toEqual([]);
      const before = backends[leaving]?.calls;
      await client.share(20);
      expect(backends[leaving]?.calls).toBe(before);
      // It waits for that alone.
      expect(isOver).toBe(false);
      expect((await chat.end()).status).toBe('OK');
      await drained;
      expect(isOver).toBe(true);
    });

    test('calls without a pause, on connections that are never idle, do not hold it up', async () => {
      const { client, sidecars } = await start('heddle');
      const callers = Array.from({ length: 3 }, () => new Caller(client));
      await Promise.all(callers.map((caller) => caller.untilLanded('cart-v1')));
      const startMs = performance.now();
      await sidecars['cart-v1']?.proxy?.drain(20_000);
      expect(performance.now() - startMs).toBeLessThan(10_000);
      for (const caller of callers) expect(await caller.stop()).toEqual([]);
    });
  });
});
