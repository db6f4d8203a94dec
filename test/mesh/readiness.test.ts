import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Child } from '../../examples/ftgo-canary/child.ts';
import { eventually, fetchText, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { type Call, type Client, countVersions, failuresOf } from '../support/traffic.ts';

/** The reason that pilot shows for a workload whose application does not listen. */
const notReady = 'failed: ECONNREFUSED';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('an application becomes ready, and is no more', () => {
  let mesh: Mesh;
  let controlPlane: Child;
  let client: Client;
  let first: RunningSidecar;
  let second: RunningSidecar;

  beforeAll(async () => {
    mesh = await Mesh.create();
    controlPlane = await mesh.startControlPlane();
    first = await mesh.startSidecar({ service: 'reviews', version: 'v1' });
    client = mesh.connect(await mesh.startSidecar({ service: 'web', hasApplication: false }), 'reviews');
    await eventually(async () => ((await client.call()).status === 200 ? true : undefined));
  });

  afterAll(() => mesh.close());

  /** Calls without end while `act` runs, and for a while after it. */
  async function callDuring(act: () => Promise<unknown>): Promise<Call[]> {
    const stop = client.keepCalling();
    await act();
    await sleep(500);
    return stop();
  }

  test('a second instance added under traffic takes its share and not one request fails', async () => {
    const calls = await callDuring(async () => {
      second = await mesh.startSidecar({ service: 'reviews', version: 'v2' });
      await eventually(async () => countVersions(await client.callMany(20))['v2']);
    });
    expect(failuresOf(calls)).toEqual([]);
    expect(countVersions(await client.callMany(400))['v2']).toBeGreaterThan(100);
  });

  test('an application that listens only after a second is sent nothing before, and no request fails', async () => {
    const calls = await callDuring(async () => {
      const third = mesh.startSidecar({ service: 'reviews', version: 'v3', listenDelayMs: 1000 });
      await eventually(async () =>
        (await fetchText(`${mesh.apiUrl}/debug/syncz`)).includes(notReady) ? true : undefined,
      );
      const { child } = await third;
      await eventually(async () => countVersions(await client.callMany(20))['v3']);
      child.kill('SIGTERM');
      expect((await child.exited).code).toBe(0);
    });
    expect(failuresOf(calls)).toEqual([]);
  });

  test('pilot killed and started again: nobody leaves the rotation, and no request fails', async () => {
    const seen = new Set<string | undefined>();
    const calls = await callDuring(async () => {
      controlPlane.kill('SIGKILL');
      await controlPlane.exited;
      controlPlane = await mesh.startControlPlane();
      for (const { child } of [first, second]) {
        await eventually(async () => {
          const status = await mesh.workloadStatus(child);
          seen.add(status);
          return status === 'IN ROTATION' ? true : undefined;
        }, 15_000);
      }
    });
    expect(failuresOf(calls)).toEqual([]);
    seen.delete(undefined);
    expect([...seen]).toEqual(['IN ROTATION']);
    const { v1 = 0, v2 = 0 } = countVersions(await client.callMany(400));
    expect(Math.min(v1, v2)).toBeGreaterThan(100);
  });

  test('an application that listens no more, though its process lives, is out of rotation', async () => {
    second.child.kill('SIGUSR2');
    await eventually(async () => ((await mesh.workloadStatus(second.child)) === 'UNHEALTHY' ? true : undefined));
    await eventually(async () => (countVersions(await client.callMany(20))['v1'] === 20 ? true : undefined));
    expect(countVersions(await client.callMany(100))).toEqual({ v1: 100 });
    expect(second.child.isRunning).toBe(true);
  });
});
