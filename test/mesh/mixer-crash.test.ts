import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Child } from '../../examples/ftgo-canary/child.ts';
import { compiled, eventually, fetchText, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { sumRequests } from '../support/request-counts.ts';
import { type Client, failuresOf } from '../support/traffic.ts';

describe('the mixer is killed under traffic', () => {
  let mesh: Mesh;
  let mixer: Child;
  let caller: RunningSidecar;
  let client: Client;
  let sent = 0;

  /** Pilot and mixer as processes of their own, so that one can die alone. */
  const startPart = async (part: 'pilot' | 'mixer', options: unknown): Promise<Child> => {
    const child = mesh.start(part, [compiled('test/support/control-plane-part.js'), part, JSON.stringify(options)]);
    await child.waitForLine(/is ready/);
    return child;
  };
  const startMixer = (): Promise<Child> =>
    startPart('mixer', { grpcPort: mesh.ports.mixer, metricsPort: mesh.ports.metrics });

  beforeAll(async () => {
    mesh = await Mesh.create();
    const { rest: restPort, xds: xdsPort, mixer: port } = mesh.ports;
    await startPart('pilot', {
      dataDir: mesh.dataDir,
      restPort,
      xdsPort,
      mixerAddress: { address: '127.0.0.1', port },
    });
    mixer = await startMixer();
    await mesh.startSidecar({ service: 'reviews' });
    caller = await mesh.startSidecar({ service: 'web', hasApplication: false });
    client = mesh.connect(caller, 'reviews');
    await eventually(async () => {
      sent += 1;
      return (await client.call()).status === 200 ? true : undefined;
    });
  });

  afterAll(() => mesh.close());

  const countOwn = async (): Promise<number> =>
    sumRequests(await fetchText(`${caller.adminUrl}/stats/prometheus`), { reporter: 'source' });
  const countMixer = async (): Promise<number> => sumRequests(await fetchText(mesh.metricsUrl), { reporter: 'source' });
  const expectMixerToAgree = (): Promise<boolean> =>
    eventually(async () => {
      expect(await countMixer()).toBe(sent);
      return true;
    }, 20_000);

  test('nothing fails, and the sidecar counts on', async () => {
    const stop = client.keepCalling();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    mixer.kill('SIGKILL');
    await mixer.exited;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const calls = await stop();
    sent += calls.length;
    expect(failuresOf(calls)).toEqual([]);
    expect(await countOwn()).toBe(sent);
  });

  test('a restarted mixer knows the whole count, nothing lost and nothing twice', async () => {
    mixer = await startMixer();
    await expectMixerToAgree();
    const calls = await client.callMany(500);
    sent += calls.length;
    expect(failuresOf(calls)).toEqual([]);
    await expectMixerToAgree();
  });
});
