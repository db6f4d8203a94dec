import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { Client, countVersions, type Call } from '../support/traffic.ts';

/** Time for pilot to hear of a death and to tell the others. */
const noticeMs = 200;

describe('a workload of a service dies', () => {
  let mesh: Mesh;
  let v1: RunningSidecar;
  let v2: RunningSidecar;
  let client: Client;

  beforeAll(async () => {
    mesh = await Mesh.create();
    await mesh.startControlPlane();
    const start = (version: string) => mesh.startSidecar({ service: 'reviews', version });
    [v1, v2] = await Promise.all([start('v1'), start('v2')]);
    await start('v3');
    const caller = await mesh.startSidecar({ service: 'web', hasApplication: false });
    client = new Client({ url: caller.outboundUrl, host: 'reviews' });
    await eventually(async () => {
      const versions = Object.keys(countVersions(await client.callMany(60)));
      return versions.toSorted().join() === 'v1,v2,v3' ? true : undefined;
    });
  });

  afterAll(async () => {
    await client.close();
    await mesh.close();
  });

  /** Calls sent after everybody could know. */
  async function callsAfter(death: () => Promise<void>): Promise<Call[]> {
    const stop = client.keepCalling();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await death();
    const diedMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const calls = await stop();
    return calls.filter(({ sentMs }) => sentMs > diedMs + noticeMs);
  }

  test('its application ends: the endpoint is out of rotation at once, the rest is served', async () => {
    const calls = await callsAfter(async () => {
      process.kill(v1.applicationPid ?? 0, 'SIGKILL');
      expect((await v1.child.exited).code).toBe(128 + 9);
    });
    expect(calls.length).toBeGreaterThan(100);
    expect(calls.filter(({ version }) => version !== 'v2' && version !== 'v3')).toEqual([]);
  });

  test('its machine is gone, sidecar and application: the rest is served', async () => {
    const calls = await callsAfter(() => mesh.destroy(v2));
    expect(calls.length).toBeGreaterThan(100);
    expect(calls.filter(({ version }) => version !== 'v3')).toEqual([]);
  });

  test('a workload that comes back is in rotation again', async () => {
    await mesh.startSidecar({ service: 'reviews', version: 'v1' });
    await eventually(async () => countVersions(await client.callMany(20))['v1'], 2000);
  });
});
