/** Two mixers, both of which could drive a release: one does, and the other goes on when it is gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CanaryStatus } from '../../crds/canary.ts';
import type { Child } from '../../examples/ftgo-canary/child.ts';
import { readCanaryStatus, reviewsCanary, reviewsDestinationRule, startPart } from '../support/canary-mesh.ts';
import { eventually, fetchText, Mesh } from '../support/mesh.ts';
import { unusedPorts } from '../support/unused-port.ts';
import { findSample, parsePrometheusText } from '../support/prometheus-text.ts';
import { TcpRelay } from '../support/tcp-relay.ts';
import { type Client, countVersions } from '../support/traffic.ts';

/** Steps that are long enough for one of them to be interrupted. On a busy machine latencies say nothing. */
const canary = reviewsCanary('{interval: 3s, stepWeights: [20, 50], minRequests: 50, maxLatencyRatio: 20}');

/** Six seconds of a lease that stands still, a look each second, and what a busy machine adds. */
const takeoverMs = 10_000;

interface Mixer {
  readonly child: Child;
  readonly grpcPort: number;
  readonly metricsUrl: string;
}

describe('two mixers and one release', () => {
  let mesh: Mesh;
  let relay: TcpRelay;
  let first: Mixer;
  let second: Mixer;
  let client: Client;
  let stopCalling: () => Promise<unknown>;
  /** Each state of the release that was seen, once. */
  let seen: { readonly step: number; readonly weight: number; readonly holder: string }[];
  let unwatched: AbortController;
  let watching: Promise<void>;

  const startMixer = async (grpcPort: number): Promise<Mixer> => {
    const [metricsPort = 0] = await unusedPorts(1);
    const child = await startPart(mesh, 'mixer', { grpcPort, metricsPort, pilotUrl: mesh.apiUrl });
    return { child, grpcPort, metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` };
  };

  const readStatus = (): Promise<CanaryStatus> => readCanaryStatus(mesh);

  const isHeldBy = ({ child }: Mixer, { lease }: CanaryStatus): boolean =>
    lease?.holder?.includes(`-${child.pid}-`) === true;

  const untilHeldBy = (mixer: Mixer, timeoutMs: number): Promise<CanaryStatus> =>
    eventually(async () => {
      const status = await readStatus();
      if (isHeldBy(mixer, status)) return status;
      throw new Error(JSON.stringify(status.lease));
    }, timeoutMs);

  const watch = async (): Promise<void> => {
    while (!unwatched.signal.aborted) {
      const { step = -1, canaryWeight: weight = 0, lease } = await readStatus();
      const state = { step, weight, holder: lease?.holder ?? '' };
      if (JSON.stringify(seen.at(-1)) !== JSON.stringify(state)) seen.push(state);
      await sleep(25);
    }
  };

  beforeEach(async () => {
    mesh = await Mesh.create();
    const [firstPort = 0, secondPort = 0] = await unusedPorts(2);
    relay = await TcpRelay.listen(firstPort, secondPort);
    const { rest: restPort, xds: xdsPort } = mesh.ports;
    const mixerAddress = { address: '127.0.0.1', port: relay.port };
    await startPart(mesh, 'pilot', { dataDir: mesh.dataDir, restPort, xdsPort, mixerAddress });
    first = await startMixer(firstPort);
    await mesh.startSidecar({ service: 'reviews', version: 'v1' });
    await mesh.startSidecar({ service: 'reviews', version: 'v2' });
    client = mesh.connect(await mesh.startSidecar({ service: 'web', hasApplication: false }), 'reviews');
    await eventually(async () => ((await client.call()).status === 200 ? true : undefined));
    await mesh.apply(reviewsDestinationRule);
    stopCalling = client.keepCalling(8);
    await mesh.apply(canary);
    await untilHeldBy(first, takeoverMs);
    second = await startMixer(secondPort);
    seen = [];
    unwatched = new AbortController();
    watching = watch();
    await eventually(async () => ((await readStatus()).phase === 'Progressing' ? true : undefined));
  }, 60_000);

  afterEach(async () => {
    unwatched.abort();
    await watching.catch(() => {});
    await stopCalling();
    await relay.close();
    await mesh.close();
  });

  const expectOneStepAfterTheOther = async (): Promise<void> => {
    const { code, output } = await mesh.heddle('canary', 'watch', 'reviews', '--wait', '--timeout', '60');
    expect({ code, output }).toMatchObject({ code: 0 });
    unwatched.abort();
    await watching;
    const { decisions = [], ...status } = await readStatus();
    expect(status).toMatchObject({ phase: 'Succeeded', canaryWeight: 100 });
    expect(decisions.map(({ weight }) => weight)).toEqual([0, 0, 20, 50, 100, 100, 100]);
    const weights = seen.map(({ weight }) => weight);
    expect(weights).toEqual(weights.toSorted((a, b) => a - b));
    await eventually(async () => (countVersions(await client.callMany(200))['v1'] === undefined ? true : undefined));
  };

  test('one alone drives it; when it is killed the other goes on within 10 s, and no step is left out or taken again', async () => {
    await sleep(1_500);
    expect(new Set(seen.map(({ holder }) => holder)).size).toBe(1);
    const isDriven = async ({ metricsUrl }: Mixer): Promise<number | undefined> =>
      findSample(parsePrometheusText(await fetchText(metricsUrl)), 'heddle_canary_driven', { name: 'reviews' });
    expect([await isDriven(first), (await isDriven(second)) ?? 0]).toEqual([1, 0]);
    first.child.kill('SIGKILL');
    await first.child.exited;
    const before = await readStatus();
    const after = await untilHeldBy(second, takeoverMs);
    expect({ step: after.step, phase: after.phase }).toEqual({ step: before.step, phase: 'Progressing' });
    // What was counted before is kept.
    expect(after.counts?.canary?.requests ?? 0).toBeGreaterThanOrEqual(before.counts?.canary?.requests ?? 0);
    await expectOneStepAfterTheOther();
  }, 120_000);

  test('one that stood still for long does not go on where it was: the other drives now', async () => {
    await sleep(1_000);
    process.kill(first.child.pid, 'SIGSTOP');
    // Its sidecars see a connection that says nothing; the address in front of it notices.
    relay.moveTo(second.grpcPort, first.grpcPort);
    try {
      await untilHeldBy(second, takeoverMs);
    } finally {
      process.kill(first.child.pid, 'SIGCONT');
    }
    await expectOneStepAfterTheOther();
    const holders = seen.map(({ holder }) => holder).filter((holder) => holder !== '');
    expect([...new Set(holders)]).toHaveLength(2);
    expect(holders.at(-1)).toContain(`-${second.child.pid}-`);
    expect(holders.lastIndexOf(holders[0] ?? '')).toBeLessThan(holders.findIndex((holder) => holder !== holders[0]));
  }, 120_000);
});
