import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { type Client, countVersions, type Call } from '../support/traffic.ts';

/** Time for pilot to hear of a death and to tell the others. */
const noticeMs = 200;

const splitByVersion = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v3, labels: { version: v3 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
  - route:
    - { destination: { host: reviews, subset: v1 }, weight: 50 }
    - { destination: { host: reviews, subset: v3 }, weight: 50 }
`;

describe('a workload of a service dies', () => {
  let mesh: Mesh;
  let v1: RunningSidecar;
  let v2: RunningSidecar;
  let v3: RunningSidecar;
  let client: Client;

  beforeAll(async () => {
    mesh = await Mesh.create();
    await mesh.startControlPlane();
    const start = (version: string) => mesh.startSidecar({ service: 'reviews', version });
    [v1, v2] = await Promise.all([start('v1'), start('v2')]);
    v3 = await start('v3');
    const caller = await mesh.startSidecar({ service: 'web', hasApplication: false });
    client = mesh.connect(caller, 'reviews');
    await eventually(async () => {
      const versions = Object.keys(countVersions(await client.callMany(60)));
      return versions.toSorted().join() === 'v1,v2,v3' ? true : undefined;
    });
  });

  afterAll(() => mesh.close());

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

  test('a version without any process left: its share is told so at once with 503, everybody else is served', async () => {
    await mesh.apply(splitByVersion);
    await eventually(async () => {
      const { v1 = 0, v3 = 0 } = countVersions(await client.callMany(100));
      return v1 > 20 && v3 > 20 ? true : undefined;
    });
    const calls = await callsAfter(() => mesh.destroy(v3));
    const { v1: served = 0 } = countVersions(calls);
    const refused = calls.filter(({ status }) => status === 503);
    expect(served + refused.length).toBe(calls.length);
    expect(served / calls.length).toBeGreaterThan(0.3);
    expect(refused.filter(({ failure }) => !/no healthy/i.test(failure ?? ''))).toEqual([]);
  });
});
