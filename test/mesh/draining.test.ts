import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, fetchText, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { type Client, countVersions, failuresOf } from '../support/traffic.ts';
import { request } from 'undici';

describe('B10: a workload leaves', () => {
  let mesh: Mesh;
  let caller: RunningSidecar;
  let client: Client;

  beforeAll(async () => {
    mesh = await Mesh.create();
    // It never gives up a sidecar that is cut off: whatever ends the wait for one, it is not that.
    await mesh.startControlPlane('--keepalive-timeout', '3600');
    await mesh.startSidecar({ service: 'reviews', version: 'v1' });
    caller = await mesh.startSidecar({ service: 'web', hasApplication: false });
    client = mesh.connect(caller, 'reviews');
    await eventually(async () => ((await client.call()).status === 200 ? true : undefined));
  });

  afterAll(() => mesh.close());

  const readiness = async ({ adminUrl }: RunningSidecar): Promise<string> => {
    const { statusCode, body } = await request(`${adminUrl}/ready`);
    return `${statusCode} ${await body.text()}`;
  };

  test('a rolling restart under load, three times over: not one request fails', async () => {
    let current = await mesh.startSidecar({ service: 'reviews', version: 'r0' });
    const stop = client.keepCalling(8);
    for (let round = 1; round <= 3; round++) {
      const next = await mesh.startSidecar({ service: 'reviews', version: `r${round}` });
      await eventually(async () => countVersions(await client.callMany(40))[`r${round}`]);
      current.child.kill('SIGTERM');
      expect((await current.child.exited).code, current.child.output).toBe(0);
      current = next;
    }
    const calls = await stop();
    expect(failuresOf(calls)).toEqual([]);
    expect(Object.keys(countVersions(calls))).toEqual(expect.arrayContaining(['v1', 'r0', 'r1', 'r2', 'r3']));
    current.child.kill('SIGTERM');
    await current.child.exited;
  });

  test('while a request runs it says that it drains, is out of rotation, and is waited for; nobody else calls it', async () => {
    const leaving = await mesh.startSidecar({ service: 'reviews', version: 'late' });
    const late = mesh.connect(caller, 'reviews', { path: '/late', headers: { 'x-only': 'late' } });
    await eventually(async () => countVersions(await client.callMany(40))['late']);
    const running = late.callMany(30, 30);
    await new Promise((resolve) => setTimeout(resolve, 50));
    leaving.child.kill('SIGTERM');
    expect(
      await eventually(async () => ((await readiness(leaving)).startsWith('503') ? readiness(leaving) : undefined)),
    ).toBe('503 DRAINING\n');
    const calls = await running;
    expect(failuresOf(calls)).toEqual([]);
    expect(countVersions(calls)['late']).toBeGreaterThan(0);
    expect((await leaving.child.exited).code).toBe(0);
  });

  test('a sidecar that is cut off holds it up for 2 s, not longer; a second SIGTERM ends at once', async () => {
    const deaf = await mesh.startSidecar({ service: 'deaf', hasApplication: false });
    const [first, second] = await Promise.all([
      mesh.startSidecar({ service: 'reviews', version: 'first' }),
      mesh.startSidecar({ service: 'reviews', version: 'second' }),
    ]);
    deaf.child.kill('SIGSTOP');
    try {
      first.child.kill('SIGTERM');
      second.child.kill('SIGTERM');
      await eventually(async () => ((await readiness(second)).startsWith('503') ? true : undefined));
      // Pilot has heard of it and waits for the one that is deaf.
      await eventually(async () => ((await mesh.workloadStatus(second.child)) === 'DRAINING' ? true : undefined));
      second.child.kill('SIGTERM');
      await second.child.exited;
      expect(first.child.isRunning).toBe(true);
      expect((await first.child.exited).code).toBe(0);
      expect(await mesh.workloadStatus(deaf.child)).toBe('CLIENT');
    } finally {
      deaf.child.kill('SIGCONT');
    }
  });

  test('without a control plane it leaves all the same', async () => {
    const other = await Mesh.create();
    try {
      const controlPlane = await other.startControlPlane();
      const alone = await other.startSidecar({ service: 'reviews' });
      controlPlane.kill('SIGKILL');
      await controlPlane.exited;
      alone.child.kill('SIGTERM');
      expect((await alone.child.exited).code).toBe(0);
    } finally {
      await other.close();
    }
  });

  test('whoever asks pilot sees who is left', async () => {
    const proxies = await fetchText(`${mesh.apiUrl}/debug/syncz`);
    expect(proxies).toContain('IN ROTATION');
    expect(proxies).not.toContain('DRAINING');
  });
});
