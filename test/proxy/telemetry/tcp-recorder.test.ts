import { describe, expect, test } from 'vitest';
import type { StandardMetricName } from '../../../proxy/api/standard-metrics.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { IstioMetrics } from '../../../proxy/telemetry/istio-metrics.ts';
import { MetricsReport } from '../../../proxy/telemetry/metrics-report.ts';
import { prometheusText } from '../../../proxy/telemetry/prometheus.ts';
import { SeriesExpiry, seriesExpiryMs } from '../../../proxy/telemetry/series-expiry.ts';
import { createTcpRecorder } from '../../../proxy/telemetry/tcp-recorder.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { parsePrometheusText } from '../../support/prometheus-text.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { type BackendConnection, RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';
import { nodeMetadata } from './nodes.ts';

const opened = 'istio_tcp_connections_opened_total';
const closed = 'istio_tcp_connections_closed_total';
const sent = 'istio_tcp_sent_bytes_total';
const received = 'istio_tcp_received_bytes_total';

interface SetUp {
  readonly direction?: 'INBOUND' | 'OUTBOUND';
  readonly maxSeries?: number;
  readonly cluster?: string;
}

/** A TCP proxy on real sockets with its clock in the test's hand. */
async function setUp({ direction = 'OUTBOUND', maxSeries, cluster = 'backend' }: SetUp = {}) {
  const backend = closeAfterTest(new RawBackend());
  backend.endsWithPeer = false;
  await backend.start();
  const clock = new ManualClock();
  const metrics = new IstioMetrics(nodeMetadata(), maxSeries === undefined ? {} : { maxSeries });
  const proxy = closeAfterTest(
    new ProxyParts({
      clock,
      clusters: [
        staticCluster('backend', [backend.port], described('consumer')),
        staticCluster('PassthroughCluster', [backend.port]),
        staticCluster('refused', [await unusedPort()], described('refused')),
      ],
      listeners: [tcpListener({ proxy: { cluster } })],
      tcpObservers: [createTcpRecorder(metrics, direction)],
    }),
  );
  await proxy.start();
  const connect = async (): Promise<RawClient> => closeAfterTest(await RawClient.connect(proxy.port('tcp')));
  const served = async (count = 1): Promise<BackendConnection> => {
    await until(() => backend.connections.length === count);
    const connection = backend.connections[count - 1];
    if (connection === undefined) throw new Error('there is no connection');
    return connection;
  };
  /** A second passes: what was carried is counted. */
  const tick = async (): Promise<void> => {
    await turns(3);
    clock.advance(1_000);
  };
  return { proxy, metrics, clock, connect, served, tick };
}

/** As pilot names the service of a cluster. */
function described(name: string) {
  const service = { host: `${name}.shop.svc.cluster.local`, name, namespace: 'shop' };
  return { metadata: { filter_metadata: { istio: { services: [service] } } } };
}

type Values = Partial<Record<StandardMetricName, number>>;

/** Of each series: some of its labels, and its numbers. */
function seriesOf(metrics: IstioMetrics, ...labelNames: string[]): (Values & Record<string, string | number>)[] {
  return [...metrics.allTcpSeries()].map((series) => ({
    ...Object.fromEntries(
      series.labels.filter(({ name }) => labelNames.includes(name)).map(({ name, value }) => [name, value]),
    ),
    [opened]: series.openedCount,
    [closed]: series.closedCount,
    [sent]: series.sentBytes,
    [received]: series.receivedBytes,
  }));
}

async function page(metrics: IstioMetrics): Promise<string> {
  const slices: string[] = [];
  for await (const slice of prometheusText(metrics, new StatsStore())) slices.push(slice);
  return slices.join('');
}

describe('a connection', () => {
  test('counts its bytes while it lives and its end once: sent are those to the client, received those of it', async () => {
    const { metrics, connect, served, tick, proxy } = await setUp();
    const client = await connect();
    const server = await served();
    client.send('PING');
    await until(() => server.received === 'PING');
    expect(seriesOf(metrics)).toEqual([]);
    await tick();
    expect(seriesOf(metrics)).toEqual([{ [opened]: 1, [closed]: 0, [sent]: 0, [received]: 4 }]);
    server.send('PONG, at last');
    await until(() => client.text === 'PONG, at last');
    await tick();
    await tick();
    expect(seriesOf(metrics)).toEqual([{ [opened]: 1, [closed]: 0, [sent]: 13, [received]: 4 }]);
    client.send('!');
    client.end();
    await until(() => server.isEnded);
    server.socket.end('bye');
    await client.untilOver();
    await until(() => proxy.connections.length === 1);
    expect(seriesOf(metrics)).toEqual([{ [opened]: 1, [closed]: 1, [sent]: 16, [received]: 5 }]);
  });

  test('that is over before its first report counts whole', async () => {
    const { metrics, connect, served, proxy } = await setUp();
    const client = await connect();
    const server = await served();
    server.socket.end('220 bye');
    client.end();
    await client.untilOver();
    await until(() => proxy.connections.length === 1);
    expect(seriesOf(metrics, 'response_flags')).toEqual([
      { response_flags: '-', [opened]: 1, [closed]: 1, [sent]: 7, [received]: 0 },
    ]);
  });

  test('has the labels of HTTP without those of a response', async () => {
    const { metrics, connect, served, tick } = await setUp();
    await connect();
    await served();
    await tick();
    const [series] = metrics.allTcpSeries();
    expect(series?.labels.map(({ name, value }) => `${name}=${value}`)).toEqual([
      'reporter=source',
      'source_workload=ftgo-order-service-v1',
      'source_canonical_service=ftgo-order-service',
      'source_canonical_revision=v1',
      'source_workload_namespace=shop',
      'source_principal=unknown',
      'source_app=ftgo-order-service',
      'source_version=v1',
      'source_cluster=Kubernetes',
      'destination_workload=unknown',
      'destination_workload_namespace=unknown',
      'destination_principal=unknown',
      'destination_app=unknown',
      'destination_version=unknown',
      'destination_service=consumer.shop.svc.cluster.local',
      'destination_canonical_service=unknown',
      'destination_canonical_revision=unknown',
      'destination_service_name=consumer',
      'destination_service_namespace=shop',
      'destination_cluster=unknown',
      'request_protocol=tcp',
      'response_flags=-',
      'connection_security_policy=unknown',
    ]);
  });

  test('that comes in is reported by its destination, with a source that nobody knows', async () => {
    const { metrics, connect, served, tick } = await setUp({ direction: 'INBOUND' });
    await connect();
    await served();
    await tick();
    const [series] = metrics.allTcpSeries();
    expect(Object.fromEntries(series?.labels.map(({ name, value }) => [name, value]) ?? [])).toMatchObject({
      reporter: 'destination',
      source_workload: 'unknown',
      source_app: 'unknown',
      destination_workload: 'ftgo-order-service-v1',
      destination_service: 'ftgo-order-service.shop.svc.cluster.local',
      request_protocol: 'tcp',
      connection_security_policy: 'none',
    });
  });

  test('to nobody that the mesh knows is called after its cluster', async () => {
    const { metrics, connect, served, tick } = await setUp({ cluster: 'PassthroughCluster' });
    await connect();
    await served();
    await tick();
    expect(seriesOf(metrics, 'destination_service', 'destination_service_name')).toMatchObject([
      { destination_service: 'unknown', destination_service_name: 'PassthroughCluster', [opened]: 1 },
    ]);
  });

  test.each([
    ['refused', 'UF,URX', 'refused'],
    ['nobody', 'NC', 'unknown'],
  ])('to %s counts as opened and closed, with flag %s', async (cluster, flag, service) => {
    const { metrics, connect, proxy } = await setUp({ cluster });
    await (await connect()).untilOver();
    await until(() => proxy.connections.length === 1);
    expect(seriesOf(metrics, 'response_flags', 'destination_service_name')).toEqual([
      {
        response_flags: flag,
        destination_service_name: service,
        [opened]: 1,
        [closed]: 1,
        [sent]: 0,
        [received]: 0,
      },
    ]);
  });

  test('that breaks off ends in the series that it began in, so that opened and closed ones can be compared', async () => {
    const { metrics, connect, served, tick, proxy } = await setUp();
    const client = await connect();
    await served();
    await tick();
    client.reset();
    await until(() => proxy.connections.length === 1);
    expect(proxy.connections[0]?.responseFlags).toBe('DC');
    (await connect()).reset();
    await until(() => proxy.connections.length === 2);
    expect(seriesOf(metrics, 'response_flags')).toMatchObject([
      { response_flags: '-', [opened]: 1, [closed]: 1 },
      { response_flags: 'DC', [opened]: 1, [closed]: 1 },
    ]);
  });
});

describe('series of connections', () => {
  test('are shared by all connections of one pair of workloads', async () => {
    const { metrics, connect, served, tick } = await setUp();
    for (let i = 1; i <= 3; i++) {
      await connect();
      await served(i);
    }
    await tick();
    expect(seriesOf(metrics)).toMatchObject([{ [opened]: 3, [closed]: 0 }]);
  });

  test('beyond the cap are one series `overflow`, without the labels of a response', async () => {
    const { metrics, connect, served, tick, proxy } = await setUp({ maxSeries: 2 });
    await connect();
    await served();
    await tick();
    (await connect()).reset();
    await until(() => proxy.connections.length === 1);
    const last = await connect();
    (await served(3)).socket.resetAndDestroy();
    await last.untilOver();
    await until(() => proxy.connections.length === 2);
    const all = [...metrics.allTcpSeries()].map(({ labels, openedCount }) => ({
      flags: labels.find(({ name }) => name === 'response_flags')?.value,
      labelCount: labels.length,
      openedCount,
    }));
    expect(all).toEqual([
      { flags: 'overflow', labelCount: 23, openedCount: 1 },
      { flags: '-', labelCount: 23, openedCount: 1 },
      { flags: 'DC', labelCount: 23, openedCount: 1 },
    ]);
  });

  test('B15: leave when nothing was counted for long and no connection is open', async () => {
    const { metrics, clock, connect, served, tick, proxy } = await setUp();
    new SeriesExpiry(metrics, clock, () => true).start();
    const client = await connect();
    const server = await served();
    await tick();
    clock.advance(2 * seriesExpiryMs);
    expect(seriesOf(metrics)).toMatchObject([{ [opened]: 1, [closed]: 0 }]);
    client.end();
    server.socket.end('late');
    await until(() => proxy.connections.length === 1);
    expect(seriesOf(metrics)).toMatchObject([{ [opened]: 1, [closed]: 1, [sent]: 4 }]);
    clock.advance(2 * seriesExpiryMs);
    expect(seriesOf(metrics)).toEqual([]);
    await connect();
    await served(2);
    await tick();
    const [again] = metrics.allTcpSeries();
    expect(again).toMatchObject({ openedCount: 1, closedCount: 0, sentBytes: 0 });
    expect(again?.createdMs).toBeGreaterThan(0);
  });

  test('are on the page of the sidecar, one family per metric', async () => {
    const { metrics, connect, served, tick } = await setUp();
    const client = await connect();
    const server = await served();
    client.send('abc');
    await until(() => server.received === 'abc');
    await tick();
    const families = parsePrometheusText(await page(metrics));
    expect([...families].map(([name, { type, samples }]) => [name, type, samples.map(({ value }) => value)])).toEqual([
      [opened, 'counter', [1]],
      [closed, 'counter', [0]],
      [sent, 'counter', [0]],
      [received, 'counter', [3]],
    ]);
  });

  test('are reported when they changed, and as a whole to a new stream', async () => {
    const { metrics, clock, connect, served, tick } = await setUp();
    const report = new MetricsReport({ metrics, stats: undefined, clock, startTimeMs: 7 });
    const values = (): Record<string, number[]> =>
      Object.fromEntries(
        [...report.changes()]
          .flatMap(({ families }) => families)
          .map(({ name, metrics: all }) => [name, all.map(({ value }) => value)]),
      );
    await connect();
    const server = await served();
    await tick();
    const first = { [opened]: [1], [closed]: [0], [sent]: [0], [received]: [0] };
    expect(values()).toEqual(first);
    await tick();
    expect(values()).toEqual({});
    server.send('x');
    await turns(5);
    await tick();
    expect(values()).toEqual({ ...first, [sent]: [1] });
    report.restart();
    expect(values()).toEqual({ ...first, [sent]: [1] });
  });
});
