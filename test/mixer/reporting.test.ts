import { once } from 'node:events';
import { Metadata, Server, ServerCredentials, type ServerReadableStream } from '@grpc/grpc-js';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { MixerServer } from '../../mixer/server.ts';
import { noMetricRules } from '../../proxy/api/metric-rules.ts';
import { metricsService, referencesMetadata } from '../../proxy/api/metrics-service.ts';
import { decode } from '../../proxy/api/protojson.ts';
import { standardLabelNames } from '../../proxy/api/standard-metrics.ts';
import { StatsStore } from '../../proxy/common/stats.ts';
import { findSample, sumSamples } from '../support/prometheus-text.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { flushIntervalMs, requestsTotal, scrape, Sidecar, startMixer, until } from './mesh-of-two.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function mixer(options: Parameters<typeof startMixer>[0] = {}): Promise<MixerServer> {
  const server = await startMixer(options);
  closers.push(() => server.close());
  return server;
}

async function sidecar(name: string, options: ConstructorParameters<typeof Sidecar>[1] = {}): Promise<Sidecar> {
  const started = new Sidecar(name, options);
  closers.push(() => started.sink.close());
  await started.sink.start();
  return started;
}

describe('from sidecar to Prometheus', () => {
  test('every metric of Istio arrives with its labels, buckets and sums', async () => {
    const server = await mixer();
    const order = await sidecar('order-v1', { mixer: server });
    order.request(3, 'v2');
    order.metrics.record(order.metrics.inboundScope(''), 503, 'UH', 0.5, 0, 19);
    await order.tickUntil(server, 4);
    const families = await scrape(server);
    const outbound = {
      reporter: 'source',
      source_workload: 'order-v1',
      destination_version: 'v2',
      response_code: '200',
    };
    expect(findSample(families, 'istio_requests_total', outbound)).toBe(3);
    expect(findSample(families, 'istio_request_duration_milliseconds_sum', outbound)).toBe(6);
    expect(findSample(families, 'istio_request_duration_milliseconds_bucket', { ...outbound, le: '1' })).toBe(0);
    expect(findSample(families, 'istio_request_duration_milliseconds_bucket', { ...outbound, le: '5' })).toBe(3);
    expect(findSample(families, 'istio_request_bytes_sum', outbound)).toBe(30);
    expect(findSample(families, 'istio_response_bytes_count', outbound)).toBe(3);
    const inbound = { reporter: 'destination', response_code: '503', response_flags: 'UH' };
    expect(findSample(families, 'istio_requests_total', inbound)).toBe(1);
  });

  test('connections of TCP are summed over the sidecars while they live, under the names of Istio', async () => {
    const server = await mixer();
    const sidecars = [await sidecar('one', { mixer: server }), await sidecar('two', { mixer: server })];
    const counted = sidecars.map(({ metrics }) => {
      const series = metrics.tcpSeries(metrics.inboundScope(''), '-');
      series.openedCount = 2;
      series.sentBytes = 1_000;
      return series;
    });
    const shown = async (metric: string, labels: Record<string, string> = {}): Promise<number | undefined> => {
      for (const { clock } of sidecars) clock.advance(flushIntervalMs);
      return sumSamples(await scrape(server), metric, { reporter: 'destination', request_protocol: 'tcp', ...labels });
    };
    await until(async () => (await shown('istio_tcp_sent_bytes_total')) === 2_000, '2,000 bytes');
    for (const series of counted) {
      series.closedCount = 1;
      series.receivedBytes = 7;
    }
    await until(async () => (await shown('istio_tcp_connections_closed_total')) === 2, 'two ends');
    expect(await shown('istio_tcp_connections_opened_total')).toBe(4);
    expect(await shown('istio_tcp_received_bytes_total', { destination_workload: 'two' })).toBe(7);
    const family = (await scrape(server)).get('istio_tcp_sent_bytes_total');
    expect(family?.type).toBe('counter');
    expect(Object.keys(family?.samples[0]?.labels ?? {})).not.toContain('response_code');
  });

  test('counters of Envoy are summed over the sidecars; a removed and returned one adds to what it was', async () => {
    const server = await mixer();
    const stats = new StatsStore();
    const one = await sidecar('one', { mixer: server, stats });
    const otherStats = new StatsStore();
    await sidecar('two', { mixer: server, stats: otherStats });
    const total = async (): Promise<number | undefined> =>
      findSample(await scrape(server), 'envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'consumer' });
    stats.counter('cluster.consumer.upstream_rq_total').value = 5;
    stats.gauge('cluster.consumer.upstream_cx_active').value = 1;
    await until(async () => {
      one.clock.advance(1000);
      return (await total()) === 5;
    }, 'the first five');
    stats.remove(stats.entries().filter((stat) => stat.name.startsWith('cluster.consumer.')));
    stats.counter('cluster.consumer.upstream_rq_total').value = 2;
    await until(async () => {
      one.clock.advance(1000);
      return (await total()) === 7;
    }, 'two more');
    expect((await scrape(server)).has('envoy_cluster_upstream_cx_active')).toBe(false);
  });

  test('more series than fit into one message arrive complete', async () => {
    const server = await mixer();
    const order = await sidecar('order', { mixer: server });
    for (let i = 0; i < 200; i += 1) order.request(1, `v${i}`);
    await order.sink.drain(20_000);
    expect((await scrape(server)).get('istio_requests_total')?.samples).toHaveLength(200);
  });
});

describe('what is said of a series', () => {
  /** Receives as any metrics service would, and keeps what comes. */
  async function receiver(metadata: Metadata | undefined): Promise<{ target: string; received: Uint8Array[] }> {
    const received: Uint8Array[] = [];
    const server = new Server();
    server.addService(metricsService, {
      streamMetrics: (call: ServerReadableStream<Uint8Array, Uint8Array>) => {
        if (metadata !== undefined) call.sendMetadata(metadata);
        call.on('data', (bytes: Uint8Array) => received.push(bytes)).on('error', () => {});
      },
    });
    const bind = promisify(server.bindAsync.bind(server));
    const port = await bind('127.0.0.1:0', ServerCredentials.createInsecure());
    closers.push(async () => server.forceShutdown());
    return { target: `127.0.0.1:${port}`, received };
  }

  async function reports(order: Sidecar, { target, received }: { target: string; received: Uint8Array[] }) {
    order.target = target;
    order.clock.advance(1_000);
    for (let count = 2; count < 5; count += 1) {
      await until(() => received.length >= count, `${count} messages`);
      order.request(1);
      order.clock.advance(flushIntervalMs);
    }
    await until(() => received.length >= 5, 'five messages');
    return received.map((bytes) => bytes.length);
  }

  test('is everything each time to a receiver that offers nothing else, in messages of Envoy alone', async () => {
    const stranger = await receiver(undefined);
    const order = await sidecar('order');
    order.request(1);
    const [, first = 0, ...later] = await reports(order, stranger);
    for (const length of later) expect(length).toBeGreaterThan(first * 0.9);
    for (const bytes of stranger.received) {
      const { value } = decode('envoy.service.metrics.v3.StreamMetricsMessage', bytes);
      const metrics = value?.envoy_metrics?.flatMap(({ metric }) => metric ?? []) ?? [];
      for (const { label } of metrics) expect(label).toHaveLength(standardLabelNames.length);
    }
  });

  test('is its number and its values once a receiver that takes numbers knows it', async () => {
    const metadata = new Metadata();
    metadata.set(referencesMetadata.key, referencesMetadata.value);
    const order = await sidecar('order');
    order.request(1);
    const lengths = await reports(order, await receiver(metadata));
    expect(lengths[1]).toBeGreaterThan(4_000);
    expect(lengths.at(-1)).toBeLessThan(200);
  });
});

describe('neither lost nor doubled', () => {
  test('a stream that breaks is resumed where it was', async () => {
    const server = await mixer();
    const order = await sidecar('order', { mixer: server });
    order.request(5);
    await order.tickUntil(server, 5);
    await server.close();
    order.request(2);
    const next = await mixer();
    order.setMixer(next);
    await order.tickUntil(next, 7);
  });

  test('a sidecar that restarts adds, and the last counts of a graceful end are in', async () => {
    const server = await mixer();
    const first = await sidecar('order', { mixer: server });
    first.request(5);
    await first.tickUntil(server, 5);
    first.request(3);
    await first.sink.drain(5000);
    expect(await requestsTotal(server)).toBe(8);
    const second = await sidecar('order', { mixer: server, startTimeMs: first.clock.nowMs() });
    second.request(2);
    await second.tickUntil(server, 10);
  });

  test('a sidecar that ends while its stream is down connects once more to report', async () => {
    const server = await mixer();
    const order = await sidecar('order');
    order.request(4);
    order.setMixer(server);
    await order.sink.drain(5000);
    expect(await requestsTotal(server)).toBe(4);
  });

  test('a restarted mixer has again what the living sidecars counted', async () => {
    const before = await mixer();
    const orders = [await sidecar('a', { mixer: before }), await sidecar('b', { mixer: before })];
    for (const order of orders) order.request(10);
    for (const order of orders) order.clock.advance(1000);
    await until(async () => (await requestsTotal(before)) === 20, 'all counts');
    await before.close();
    const after = await mixer();
    for (const order of orders) {
      order.setMixer(after);
      order.request(1);
    }
    await until(async () => {
      for (const order of orders) order.clock.advance(1000);
      return (await requestsTotal(after)) === 22;
    }, 'all counts after the restart');
  });

  for (const seed of [1, 2, 3]) {
    test(`random traffic, broken streams, restarts of sidecars: the totals are exact (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const server = await mixer();
      const names = ['a', 'b', 'c'];
      const truth = { v1: 0, v2: 0 };
      let startTimeMs = Date.UTC(2026, 0, 31, 12);
      const running = await Promise.all(names.map((name) => sidecar(name, { mixer: server, startTimeMs })));
      for (let event = 0; event < 120; event += 1) {
        const index = Math.floor(random() * names.length);
        const current = running[index] as Sidecar;
        const chance = random();
        if (chance < 0.5) {
          const version = random() < 0.5 ? 'v1' : 'v2';
          const count = Math.floor(random() * 20);
          current.request(count, version);
          truth[version] += count;
        } else if (chance < 0.85) {
          current.clock.advance(1000);
          await requestsTotal(server);
        } else if (chance < 0.93) {
          // Sits out a while without a mixer.
          current.setMixer(random() < 0.5 ? undefined : server);
        } else {
          current.setMixer(server);
          await current.sink.drain(5000);
          startTimeMs += 1;
          running[index] = await sidecar(names[index] ?? '', { mixer: server, startTimeMs });
        }
      }
      for (const current of running) {
        current.setMixer(server);
        await current.sink.drain(5000);
      }
      expect(await requestsTotal(server, { destination_version: 'v1' })).toBe(truth.v1);
      expect(await requestsTotal(server, { destination_version: 'v2' })).toBe(truth.v2);
      const families = await scrape(server);
      expect(findSample(families, 'heddle_mixer_rejected_total', { reason: 'decreased' })).toBe(0);
    });
  }
});

describe('a mixer that is slow or gone', () => {
  test('stops reading: what waits in the sidecar is bounded, and recording goes on', async () => {
    let accepted = 0;
    // Accepts the stream and never reads from it: HTTP/2's flow control stops the sender after 64 KiB.
    const stuck = createHttp2Server();
    const sessions = new Set<ServerHttp2Session>();
    stuck.on('session', (session) => sessions.add(session));
    stuck.on('stream', (stream) => {
      accepted += 1;
      stream.pause().on('error', () => {});
    });
    stuck.listen(0, '127.0.0.1');
    await once(stuck, 'listening');
    const order = new Sidecar('order');
    closers.push(() => order.sink.close());
    order.target = `127.0.0.1:${(stuck.address() as AddressInfo).port}`;
    const requestEach = (): void => {
      for (let i = 0; i < 300; i += 1) order.request(1, `v${i}`);
    };
    requestEach();
    await order.sink.start();
    await until(() => accepted === 1, 'the stream');
    const before = process.memoryUsage().arrayBuffers;
    // Encoded, what changes in these ticks has about 170 MB.
    for (let tick = 0; tick < 100; tick += 1) {
      requestEach();
      order.clock.advance(1000);
      await nextTurn();
    }
    expect(accepted).toBe(1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    const server = await mixer();
    order.setMixer(server);
    for (const session of sessions) session.destroy();
    stuck.close();
    await order.tickUntil(server, 300 * 101);
  });

  test('is not there: the sink tries again with growing pauses and never throws', async () => {
    let asked = 0;
    const order = new Sidecar('order');
    closers.push(() => order.sink.close());
    Object.defineProperty(order, 'target', {
      get: () => {
        asked += 1;
        return undefined;
      },
    });
    await order.sink.start();
    order.clock.advance(10_000);
    // 50, 100, 200, 400 ms, then every 500 ms (half of the cap).
    expect(asked).toBeGreaterThan(15);
    expect(asked).toBeLessThan(30);
    await order.sink.drain(1000);
    expect(order.clock.pendingTimers).toBe(0);
  });

  test('has an address that cannot be: the sink goes on asking', async () => {
    const server = await mixer();
    const order = await sidecar('order');
    order.target = 'no such://address';
    order.request(1);
    order.clock.advance(5000);
    order.setMixer(server);
    await order.tickUntil(server, 1);
  });

  test('does not answer the end of a stream: the drain ends at its deadline', async () => {
    const stuck = createServer({ pauseOnConnect: true });
    stuck.listen(0, '127.0.0.1');
    await once(stuck, 'listening');
    closers.push(async () => void stuck.close());
    const order = await sidecar('order');
    order.request(1);
    order.target = `127.0.0.1:${(stuck.address() as AddressInfo).port}`;
    let isDrained = false;
    const drained = order.sink.drain(2000).then(() => {
      isDrained = true;
    });
    await until(() => order.clock.pendingTimers > 0, 'the deadline to be set');
    await once(stuck, 'connection');
    expect(isDrained).toBe(false);
    order.clock.advance(2000);
    await drained;
  });
});

test('B15: a series that expired in the sidecar and comes back is neither counted twice nor lost', async () => {
  const server = await mixer();
  const order = await sidecar('order', { mixer: server });
  order.request(5);
  await order.tickUntil(server, 5);
  order.expireSaid();
  expect([...order.metrics.series()]).toEqual([]);
  order.request(3);
  await order.tickUntil(server, 8);
  order.request(4);
  order.expireSaid();
  expect([...order.metrics.series()]).toHaveLength(1);
  await order.tickUntil(server, 12);
});

test('labels of one metric that come and go, with series that expire, change no total', async () => {
  const server = await mixer();
  const order = await sidecar('order', { mixer: server });
  const own = {
    removedLabels: ['destination_version', 'destination_workload', 'destination_canonical_revision'],
    fixedLabels: {},
  };
  const lean = { ...noMetricRules, ownLabels: { istio_request_bytes: own } };
  let sent = 0;
  for (const rules of [noMetricRules, lean, noMetricRules, lean]) {
    order.metrics.setRules('source', rules);
    for (const version of ['v1', 'v2']) order.request(5, version);
    sent += 10;
    await order.tickUntil(server, sent);
    order.expireSaid();
    order.request(1, 'v2');
    sent += 1;
    await order.tickUntil(server, sent);
  }
  const families = await scrape(server);
  expect(sumSamples(families, 'istio_request_bytes_count')).toBe(sent);
  const unversioned = families
    .get('istio_request_bytes')
    ?.samples.filter(({ name, labels }) => name.endsWith('_count') && labels['destination_version'] === undefined);
  expect(unversioned).toMatchObject([{ value: 22 }]);
  expect(findSample(families, 'heddle_mixer_rejected_total', { reason: 'decreased' })).toBe(0);
});

describe('lifecycle of the sink', () => {
  test('start, drain and close may be called again', async () => {
    const server = await mixer();
    const order = await sidecar('order', { mixer: server });
    await order.sink.start();
    order.request(1);
    await order.tickUntil(server, 1);
    order.request(1);
    await Promise.all([order.sink.drain(5000), order.sink.drain(5000)]);
    await order.sink.close();
    expect(await requestsTotal(server)).toBe(2);
    expect(order.clock.pendingTimers).toBe(0);
  });

  test('what was never started closes', async () => {
    await new Sidecar('order').sink.close();
    await new Sidecar('order').sink.drain(1000);
  });
});
