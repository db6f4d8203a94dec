import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { countVersions, failuresOf } from '../support/traffic.ts';

describe('a workload is replaced under traffic', () => {
  let mesh: Mesh;
  let old: RunningSidecar;

  beforeAll(async () => {
    mesh = await Mesh.create();
    await mesh.startControlPlane();
    old = await mesh.startSidecar({ service: 'reviews', version: 'v1' });
  });

  afterAll(() => mesh.close());

  test.each([
    ['fast', '/'],
    ['slow', '/late'],
  ])('SIGTERM to the old one after the new one has come: no %s request fails', async (_, path) => {
    const caller = await mesh.startSidecar({ service: 'web', hasApplication: false });
    const client = mesh.connect(caller, 'reviews', { path });
    await eventually(async () => ((await client.call()).status === 200 ? true : undefined));
    const next = await mesh.startSidecar({ service: 'reviews', version: 'v2' });
    await eventually(async () => countVersions(await client.callMany(20))['v2']);

    const stop = client.keepCalling();
    await new Promise((resolve) => setTimeout(resolve, 200));
    old.child.kill('SIGTERM');
    expect((await old.child.exited).code, old.child.output).toBe(0);
    old = next;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(countVersions(await client.callMany(20))).toEqual({ v2: 20 });
    expect(failuresOf(await stop())).toEqual([]);
  });
});
