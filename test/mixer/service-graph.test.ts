import { describe, expect, test } from 'vitest';
import { defaultLimits } from '../../mixer/options.ts';
import { quantile } from '../../mixer/telemetry/graph-edge.ts';
import type { Instance } from '../../mixer/telemetry/instance.ts';
import type { Sample } from '../../mixer/telemetry/sample.ts';
import { ServiceGraph, slotMs } from '../../mixer/telemetry/service-graph.ts';
import { type Series, seriesKey, Totals } from '../../mixer/telemetry/totals.ts';
import { standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import { standardLabels, type LabelValues } from '../../proxy/api/workload-labels.ts';
import { closeAfterTest } from '../support/closing.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { envoyNode, httpEntry, httpLogs, LogClient, message } from './log-messages.ts';
import { startMixer } from './mesh-of-two.ts';
import { createLedger } from './samples.ts';

const startMs = Date.UTC(2026, 0, 31, 12);

const fromWeb: LabelValues = {
  reporter: 'source',
  source_workload: 'web',
  source_workload_namespace: 'shop',
  destination_workload: 'reviews-v2',
  destination_workload_namespace: 'shop',
  destination_version: 'v2',
  destination_service: 'reviews.shop.svc.cluster.local',
  request_protocol: 'http',
  response_code: '200',
  response_flags: '-',
};

interface Graph {
  readonly windowSeconds: number;
  readonly isTruncated: boolean;
  readonly nodes: readonly { readonly id: string }[];
  readonly edges: readonly Record<string, unknown>[];
}

class Scene {
  readonly totals = new Totals(defaultLimits);
  readonly graph: ServiceGraph;
  nowMs = startMs;

  constructor(maxEdges = 100) {
    this.graph = new ServiceGraph(this.totals, { maxEdges });
    this.look();
  }

  #series(name: string, labels: LabelValues): Series {
    const sample = { name, help: '', labels: standardLabels(labels) };
    const series = this.totals.findOrAdd(sample, seriesKey(sample), this.nowMs);
    if (series === undefined) throw new Error('no room');
    return series;
  }

  /** So many requests of 30 ms with these labels. */
  request(count: number, changes: LabelValues = {}, durationMs = 30): void {
    const labels = { ...fromWeb, ...changes };
    const requests = this.#series('istio_requests_total', labels);
    requests.values[0] = (requests.values[0] ?? 0) + count;
    this.#series('istio_request_duration_milliseconds', labels).observe(durationMs, count);
  }

  transfer(connections: number, bytes: number): void {
    const labels = { ...fromWeb, request_protocol: 'tcp' };
    for (const [name, added] of [
      ['istio_tcp_connections_opened_total', connections],
      ['istio_tcp_sent_bytes_total', bytes],
    ] as const) {
      const series = this.#series(name, labels);
      series.values[0] = (series.values[0] ?? 0) + added;
    }
  }

  look(): void {
    this.graph.look(this.nowMs);
    this.nowMs += slotMs;
  }

  show(windowSeconds = 60): Graph {
    return this.graph.show(windowSeconds, this.nowMs) as Graph;
  }
}

/** Series that were met before: what they count from now on is traffic. */
function sceneWith(...series: LabelValues[]): Scene {
  const scene = new Scene();
  for (const labels of series) scene.request(1, labels);
  scene.look();
  return scene;
}

describe('the service graph', () => {
  test('shows who calls whom, how often, with what success and how fast', () => {
    const failed = { response_code: '503', response_flags: 'UF' };
    const scene = sceneWith({}, failed);
    scene.request(90);
    scene.request(10, failed, 2_000);
    scene.look();
    const { nodes, edges, windowSeconds } = scene.show(5);
    expect(windowSeconds).toBe(5);
    expect(nodes).toEqual([
      { id: 'workload/shop/web', kind: 'workload', name: 'web', namespace: 'shop', app: 'unknown', version: 'unknown' },
      expect.objectContaining({ id: 'workload/shop/reviews-v2', version: 'v2' }),
    ]);
    expect(edges).toEqual([
      {
        source: 'workload/shop/web',
        destination: 'workload/shop/reviews-v2',
        service: 'reviews.shop.svc.cluster.local',
        protocol: 'http',
        requestsPerSecond: 20,
        errorShare: 0.1,
        durationMs: {
          p50: expect.closeTo(25 + (25 * 50) / 90, 6),
          p90: 50,
          p99: expect.closeTo(1_000 + 1_500 * 0.9, 6),
        },
      },
    ]);
  });

  test('is over the window that was asked for, and forgets', () => {
    const scene = sceneWith({});
    scene.request(10);
    scene.look();
    scene.look();
    expect(scene.show(5).edges).toEqual([]);
    expect(scene.show(10).edges).toMatchObject([{ requestsPerSecond: 1 }]);
    for (let i = 0; i < 60; i += 1) scene.look();
    expect(scene.show(300)).toMatchObject({ nodes: [], edges: [] });
    scene.request(5);
    scene.look();
    expect(scene.show(5).edges).toMatchObject([{ requestsPerSecond: 1 }]);
  });

  test('counts a request once: as its client tells, or its server where the client has no sidecar', () => {
    const served = { reporter: 'destination' };
    const stranger = { reporter: 'destination', source_workload: 'unknown', source_workload_namespace: 'unknown' };
    const scene = sceneWith({}, served, stranger);
    for (const labels of [{}, served, stranger]) scene.request(5, labels);
    scene.look();
    const { edges } = scene.show(5);
    expect(edges.map(({ source, requestsPerSecond }) => [source, requestsPerSecond])).toEqual([
      ['workload/shop/web', 1],
      ['unknown', 1],
    ]);
  });

  test('shows what reached no workload as failures on the way to the service', () => {
    const lost = { destination_workload: 'unknown', response_code: '503', response_flags: 'UH' };
    const scene = sceneWith(lost);
    scene.request(5, lost);
    scene.look();
    expect(scene.show(5).edges).toMatchObject([
      { destination: 'service/reviews.shop.svc.cluster.local', errorShare: 1, requestsPerSecond: 1 },
    ]);
  });

  test('does not blame a service for clients that left', () => {
    const left = { response_code: '0', response_flags: 'DC' };
    const scene = sceneWith(left);
    scene.request(5, left);
    scene.look();
    expect(scene.show(5).edges).toMatchObject([{ errorShare: 0 }]);
  });

  test('shows connections with their bytes', () => {
    const scene = new Scene();
    scene.transfer(1, 1);
    scene.look();
    scene.transfer(10, 5_000);
    scene.look();
    expect(scene.show(5).edges).toMatchObject([
      { protocol: 'tcp', connectionsPerSecond: 2, sentBytesPerSecond: 1_000 },
    ]);
  });

  test('takes the first requests of a series for traffic', () => {
    const scene = new Scene();
    scene.request(10);
    scene.look();
    expect(scene.show(5).edges).toMatchObject([{ requestsPerSecond: 2 }]);
  });

  test('is bounded, and says when something is missing', () => {
    const scene = new Scene(2);
    const callers = ['a', 'b', 'c'].map((source_workload) => ({ source_workload }));
    for (const caller of callers) scene.request(1, caller);
    scene.look();
    for (const caller of callers) scene.request(1, caller);
    scene.look();
    expect(scene.show(5)).toMatchObject({ isTruncated: true, edges: [{}, {}] });
  });
});

describe('sidecars that a mixer meets', () => {
  const sample = (name: string, values: readonly number[]): Sample => {
    return { name, help: '', labels: standardLabels(fromWeb), createdMs: startMs - 86_400_000, values };
  };
  const requests = (count: number): Sample => sample('istio_requests_total', [count]);
  /** Of 30 ms. */
  const times = (count: number): Sample =>
    sample('istio_request_duration_milliseconds', [
      ...standardUpperBounds.map((bound) => (bound < 30 ? 0 : count)),
      count,
      30 * count,
    ]);

  function meet(): { report: (id: string, count: number) => void; look: () => Graph } {
    let graph: ServiceGraph | undefined;
    const { ledger } = createLedger({}, (totals) => ({ past: (graph = new ServiceGraph(totals, { maxEdges: 10 })) }));
    const instances = new Map<string, Instance>();
    let nowMs = startMs;
    const report = (id: string, count: number): void => {
      const instance = instances.get(id) ?? ledger.openStream(id, nowMs);
      if (instance === undefined) throw new Error('refused');
      instances.set(id, instance);
      for (const each of [requests(count), times(count)]) ledger.apply(instance, each, nowMs);
    };
    const look = (): Graph => {
      nowMs += slotMs;
      graph?.look(nowMs);
      return graph?.show(5, nowMs) as Graph;
    };
    graph?.look(nowMs);
    return { report, look };
  }

  test('have a past that is no traffic of the window, whichever comes first', () => {
    const { report, look } = meet();
    report('one', 1_000_000);
    expect(look().edges).toEqual([]);
    report('two', 5_000_000);
    expect(look().edges).toEqual([]);
    report('one', 1_000_010);
    expect(look().edges).toMatchObject([{ requestsPerSecond: 2 }]);
  });

  test('count from then on, however many are met in the same moment', () => {
    const { report, look } = meet();
    report('one', 100);
    report('one', 105);
    report('two', 7_000);
    report('two', 7_005);
    report('three', 9_000);
    const [edge] = look().edges;
    expect(edge).toMatchObject({ requestsPerSecond: 2, errorShare: 0 });
    expect(edge?.['durationMs']).toMatchObject({ p50: 37.5 });
    expect(look().edges).toEqual([]);
  });
});

describe('quantiles', () => {
  const buckets = (...counts: number[]): Float64Array => Float64Array.from(counts);
  test('of nothing are none, and beyond the last bound are that bound', () => {
    expect(quantile(0.5, buckets(0, 0, 0), [1, 2])).toBeNull();
    expect(quantile(0.99, buckets(0, 0, 7), [1, 2])).toBe(2);
    expect(quantile(0.5, buckets(4, 4, 4), [1, 2])).toBe(0.5);
    expect(standardUpperBounds.length).toBe(19);
  });
});

test('the mixer serves the graph as JSON, and refuses windows that it does not have', async () => {
  const clock = new ManualClock();
  const mixer = closeAfterTest(await startMixer({ clock }));
  const client = closeAfterTest(new LogClient(mixer.grpcPort));
  const url = `http://127.0.0.1:${mixer.metricsPort}/graph`;
  clock.advance(slotMs);
  await client.send(message(httpLogs(httpEntry())));
  clock.advance(slotMs);
  await client.send(message(httpLogs(httpEntry(), httpEntry())));
  clock.advance(slotMs);
  const response = await fetch(`${url}?window=10`);
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(await response.json()).toMatchObject({
    windowSeconds: 10,
    edges: [
      { source: 'workload/edge/front', destination: 'service/reviews.shop.svc.cluster.local', requestsPerSecond: 0.3 },
    ],
  });
  expect(envoyNode.metadata).toMatchObject({ WORKLOAD_NAME: 'front' });
  for (const window of ['0', '301', '-1', 'x', '']) {
    const refused = await fetch(`${url}?window=${window}`);
    expect(refused.status).toBe(400);
    expect(await refused.text()).toBe('window must be a whole number of seconds from 1 to 300\n');
  }
});
