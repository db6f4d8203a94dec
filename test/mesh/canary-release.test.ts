/** Releases by real processes under real traffic: the mixer reads the sidecars' reports, pilot moves the weights. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Child } from '../../examples/ftgo-canary/child.ts';
import type { CanaryStatus } from '../../crds/canary.ts';
import { readCanaryStatus, reviewsCanary, reviewsDestinationRule, startPart } from '../support/canary-mesh.ts';
import { eventually, fetchText, Mesh } from '../support/mesh.ts';
import { findSample, parsePrometheusText } from '../support/prometheus-text.ts';
import { type Client, countVersions } from '../support/traffic.ts';

/** A release takes some twenty seconds, and more where the processes of the mesh have to wait for each other. */
const decisionTimeoutMs = 120_000;
vi.setConfig({ testTimeout: 2 * decisionTimeoutMs });

describe('a release decides itself', () => {
  let mesh: Mesh;
  let mixer: Child;
  let client: Client;

  const startMixer = (): Promise<Child> =>
    startPart(mesh, 'mixer', { grpcPort: mesh.ports.mixer, metricsPort: mesh.ports.metrics, pilotUrl: mesh.apiUrl });

  const startMesh = async (failEvery: number): Promise<void> => {
    const { rest: restPort, xds: xdsPort, mixer: port } = mesh.ports;
    const mixerAddress = { address: '127.0.0.1', port };
    await startPart(mesh, 'pilot', { dataDir: mesh.dataDir, restPort, xdsPort, mixerAddress });
    mixer = await startMixer();
    await mesh.startSidecar({ service: 'reviews', version: 'v1' });
    await mesh.startSidecar({ service: 'reviews', version: 'v2', failEvery });
    client = mesh.connect(await mesh.startSidecar({ service: 'web', hasApplication: false }), 'reviews');
    await eventually(async () => ((await client.call()).status === 200 ? true : undefined));
    await mesh.apply(reviewsDestinationRule);
  };

  const readStatus = (): Promise<CanaryStatus> => readCanaryStatus(mesh);
  const untilPhase = (...phases: string[]): Promise<CanaryStatus> =>
    eventually(async () => {
      const status = await readStatus();
      if (phases.includes(status.phase ?? '')) return status;
      throw new Error(JSON.stringify(status));
    }, decisionTimeoutMs);
  const untilProgressing = (): Promise<CanaryStatus> => untilPhase('Progressing');

  beforeEach(async () => {
    mesh = await Mesh.create();
  });

  afterEach(() => mesh.close());

  test('a v2 of which 5 % fail is rolled back, with the mixer killed in between; nobody reaches it a second later', async () => {
    await startMesh(20);
    // Too few calls for a decision before the mixer is killed.
    const stopFew = client.keepCalling(1);
    await mesh.apply(reviewsCanary('{interval: 1s, stepWeights: [5, 50], minRequests: 100000}'));
    await untilProgressing();
    mixer.kill('SIGKILL');
    await mixer.exited;
    expect((await readStatus()).phase).toBe('Progressing');
    mixer = await startMixer();
    const stopMany = client.keepCalling(8);
    const status = await untilPhase('Failed', 'Succeeded');
    await eventually(async () => (countVersions(await client.callMany(200))['v2'] === undefined ? true : undefined));
    const calls = (await Promise.all([stopFew(), stopMany()])).flat();
    expect(status).toMatchObject({ phase: 'Failed', canaryWeight: 0 });
    const decidedMs = Date.parse(status.decisions?.at(-1)?.at ?? '') - performance.timeOrigin;
    const lastToV2Ms = Math.max(...calls.filter(({ version }) => version === 'v2').map(({ sentMs }) => sentMs));
    expect(lastToV2Ms - decidedMs).toBeLessThan(1_000);
    expect(status.decisions?.map(({ decision }) => decision)).toEqual([
      'initialize',
      'initialize',
      'advance',
      'rollback',
    ]);
    await eventually(async () => {
      const page = parsePrometheusText(await fetchText(mesh.metricsUrl));
      expect(findSample(page, 'heddle_canary_status', { name: 'reviews' })).toBe(2);
      expect(findSample(page, 'heddle_canary_weight', { name: 'reviews' })).toBe(0);
      return true;
    });
    const { code } = await mesh.heddle('canary', 'watch', 'reviews', '--wait');
    expect(code).toBe(1);
  });

  test('a good v2 is promoted, step by step, with the mixer killed in between', async () => {
    await startMesh(0);
    const stop = client.keepCalling(8);
    // On a busy machine the second process may well be slower for a while: that is not what is shown here.
    await mesh.apply(reviewsCanary('{interval: 1s, stepWeights: [20, 50], minRequests: 50, maxLatencyRatio: 20}'));
    await untilProgressing();
    mixer.kill('SIGKILL');
    await mixer.exited;
    mixer = await startMixer();
    const { code, output } = await mesh.heddle(
      'canary',
      'watch',
      'reviews',
      '--wait',
      '--timeout',
      String(decisionTimeoutMs / 1000),
    );
    expect({ code, output }).toMatchObject({ code: 0 });
    await stop();
    const status = await readStatus();
    expect(status).toMatchObject({ phase: 'Succeeded', canaryWeight: 100 });
    expect(status.decisions?.map(({ weight }) => weight)).toEqual([0, 0, 20, 50, 100, 100, 100]);
    await eventually(async () => (countVersions(await client.callMany(200))['v1'] === undefined ? true : undefined));
    const events = await fetchText(`${mesh.apiUrl}/api/v1/namespaces/default/events`);
    expect(events).toContain('"Succeeded"');
  });

  test('S4: no traffic is no decision', async () => {
    await startMesh(0);
    await mesh.apply(reviewsCanary('{interval: 1s, stepWeights: [20, 50], minRequests: 50}'));
    await untilProgressing();
    await new Promise((resolve) => setTimeout(resolve, 5000));
    expect(await readStatus()).toMatchObject({ phase: 'Progressing', step: 0, canaryWeight: 20 });
    const { code } = await mesh.heddle('canary', 'watch', 'reviews', '--wait', '--timeout', '2');
    expect(code).toBe(4);
    expect((await mesh.heddle('canary', 'promote', 'reviews')).code).toBe(1);
    expect((await mesh.heddle('canary', 'abort', 'reviews', '--wait')).code).toBe(1);
    expect(await readStatus()).toMatchObject({ phase: 'Failed', canaryWeight: 0 });
  });
});
