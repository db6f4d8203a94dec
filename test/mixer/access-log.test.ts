import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MixerServer } from '../../mixer/server.ts';
import { reportsMetricsKey } from '../../proxy/api/access-log-service.ts';
import type { AccessLogCommon, HTTPAccessLogEntry } from '../../proxy/api/envoy.gen.ts';
import { encodePeerMetadata } from '../../proxy/api/peer-metadata.ts';
import { responseFlagNames } from '../../proxy/common/response-flags.ts';
import { nodeMetadata } from '../proxy/telemetry/nodes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { findSample, sumSamples } from '../support/prometheus-text.ts';
import { envoyNode, httpEntry, httpLogs, LogClient, message, reviews, tcpEntry, tcpLogs } from './log-messages.ts';
import { scrape, Sidecar, startMixer } from './mesh-of-two.ts';

const clock = new ManualClock();
let mixer: MixerServer;
let client: LogClient;

beforeAll(async () => {
  mixer = await startMixer({ clock, limits: { maxSeriesPerFamily: 200, maxLogSeries: 150 } });
  client = new LogClient(mixer.grpcPort);
});

afterAll(async () => {
  client.close();
  await mixer.close();
});

/** Every test counts under a workload of its own. */
function workload(name: string): typeof envoyNode {
  return { ...envoyNode, id: name, metadata: { ...envoyNode.metadata, WORKLOAD_NAME: name } };
}

async function counted(source_workload: string, labels: Record<string, string> = {}): Promise<number> {
  return sumSamples(await scrape(mixer), 'istio_requests_total', { source_workload, ...labels });
}

async function rejected(reason: string): Promise<number> {
  return findSample(await scrape(mixer), 'heddle_mixer_rejected_total', { reason }) ?? NaN;
}

describe('what access logs tell counts in the metrics of Istio', () => {
  test('a request of a real Envoy, with both ends, its sizes and its duration', async () => {
    const custom_tags = { 'heddle.destination_workload': 'reviews-v2;shop;reviews;v2;Kubernetes' };
    expect(await client.send(message(httpLogs(httpEntry({ custom_tags })), workload('whole')))).toBeNull();
    const families = await scrape(mixer);
    const labels = {
      reporter: 'source',
      source_workload: 'whole',
      source_workload_namespace: 'edge',
      source_version: 'v9',
      destination_service: 'reviews.shop.svc.cluster.local',
      destination_service_name: 'reviews',
      destination_service_namespace: 'shop',
      destination_workload: 'reviews-v2',
      destination_version: 'v2',
      request_protocol: 'http',
      response_code: '200',
      response_flags: '-',
    };
    expect(findSample(families, 'istio_requests_total', labels)).toBe(1);
    const duration = 'istio_request_duration_milliseconds';
    expect(findSample(families, `${duration}_sum`, labels)).toBe(3);
    expect(findSample(families, `${duration}_bucket`, { ...labels, le: '1' })).toBe(0);
    expect(findSample(families, `${duration}_bucket`, { ...labels, le: '5' })).toBe(1);
    expect(findSample(families, 'istio_request_bytes_sum', labels)).toBe(7);
    expect(findSample(families, 'istio_response_bytes_sum', labels)).toBe(100);
  });

  test('the side of the server is told apart, by the name of its cluster, and who called by the logged header', async () => {
    const peer = encodePeerMetadata(nodeMetadata({ workloadName: 'order-v1', namespace: 'shop' }));
    const inbound = httpEntry(
      { upstream_cluster: 'inbound|9080||' },
      {
        request: { request_headers: { 'x-envoy-peer-metadata': peer } },
      },
    );
    await client.send(message(httpLogs(inbound), workload('served')));
    const labels = { reporter: 'destination', destination_workload: 'served', source_workload: 'order-v1' };
    expect(sumSamples(await scrape(mixer), 'istio_requests_total', labels)).toBe(1);
  });

  test('the tag of the listener tells the side where no cluster does', async () => {
    const nowhere = { upstream_cluster: '', response_flags: { no_route_found: true } };
    const tagged = httpEntry({ ...nowhere, custom_tags: { 'heddle.reporter': 'destination' } });
    await client.send(message(httpLogs(tagged, httpEntry(nowhere)), workload('nowhere')));
    expect(await counted('nowhere', { reporter: 'source', response_flags: 'NR' })).toBe(1);
    const families = await scrape(mixer);
    const served = { reporter: 'destination', destination_workload: 'nowhere' };
    expect(sumSamples(families, 'istio_requests_total', served)).toBe(1);
  });

  test('connections count when they are over, with their bytes; reports in between do not count twice', async () => {
    const before = await rejected('intermediate');
    const entries = [
      tcpEntry({ access_log_type: 'TcpUpstreamConnected' }),
      tcpEntry({ access_log_type: 'TcpPeriodic' }),
      tcpEntry({ access_log_type: 'TcpConnectionEnd' }),
    ];
    await client.send(message(tcpLogs(...entries), workload('piped')));
    expect(await rejected('intermediate')).toBe(before + 2);
    const families = await scrape(mixer);
    const labels = { source_workload: 'piped', request_protocol: 'tcp' };
    expect(sumSamples(families, 'istio_tcp_connections_opened_total', labels)).toBe(1);
    expect(sumSamples(families, 'istio_tcp_connections_closed_total', labels)).toBe(1);
    expect(sumSamples(families, 'istio_tcp_sent_bytes_total', labels)).toBe(2_000);
    expect(sumSamples(families, 'istio_tcp_received_bytes_total', labels)).toBe(10);
  });

  test('an entry of a sampled log stands for all it was drawn from', async () => {
    await client.send(message(httpLogs(httpEntry({ sample_rate: 0.1 })), workload('sampled')));
    expect(await counted('sampled')).toBe(10);
    const families = await scrape(mixer);
    const labels = { source_workload: 'sampled' };
    expect(sumSamples(families, 'istio_request_duration_milliseconds_count', labels)).toBe(10);
    expect(sumSamples(families, 'istio_request_duration_milliseconds_sum', labels)).toBe(30);
  });

  test('an Envoy without a field for the whole duration says when its last byte left', async () => {
    const { duration, ...common } = httpEntry({ time_to_last_downstream_tx_byte: '0.250s' }).common_properties ?? {};
    expect(duration).toBeDefined();
    await client.send(message(httpLogs({ ...httpEntry(), common_properties: common }), workload('old')));
    const labels = { source_workload: 'old' };
    expect(sumSamples(await scrape(mixer), 'istio_request_duration_milliseconds_sum', labels)).toBe(250);
  });

  test('every response flag has the letters of Istio', async () => {
    const flags = {
      failed_local_healthcheck: 'LH',
      no_healthy_upstream: 'UH',
      upstream_request_timeout: 'UT',
      local_reset: 'LR',
      upstream_remote_reset: 'UR',
      upstream_connection_failure: 'UF',
      upstream_connection_termination: 'UC',
      upstream_overflow: 'UO',
      no_route_found: 'NR',
      delay_injected: 'DI',
      fault_injected: 'FI',
      rate_limited: 'RL',
      unauthorized_details: 'UAEX',
      rate_limit_service_error: 'RLSE',
      downstream_connection_termination: 'DC',
      upstream_retry_limit_exceeded: 'URX',
      stream_idle_timeout: 'SI',
      invalid_envoy_request_headers: 'IH',
      downstream_protocol_error: 'DPE',
      upstream_max_stream_duration_reached: 'UMSDR',
      response_from_cache_filter: 'RFCF',
      no_filter_config_found: 'NFCF',
      duration_timeout: 'DT',
      upstream_protocol_error: 'UPE',
      no_cluster_found: 'NC',
      overload_manager: 'OM',
      dns_resolution_failure: 'DF',
      downstream_remote_reset: 'DR',
    };
    const entries = Object.keys(flags).map((field) =>
      httpEntry({ response_flags: { [field]: field === 'unauthorized_details' ? {} : true } }),
    );
    const two = httpEntry({
      response_flags: { upstream_connection_failure: true, upstream_retry_limit_exceeded: true },
    });
    await client.send(message(httpLogs(...entries, two), workload('flagged')));
    const families = await scrape(mixer);
    for (const flag of [...Object.values(flags), 'UF,URX']) {
      for (const each of flag.split(',')) expect(responseFlagNames).toHaveProperty(each);
      const labels = { source_workload: 'flagged', response_flags: flag };
      expect(sumSamples(families, 'istio_requests_total', labels), flag).toBe(1);
    }
  });

  test('streams of one workload count together, and a broken stream leaves what came before', async () => {
    const node = workload('twins');
    await client.send(message(httpLogs(httpEntry()), { ...node, id: 'twin-1' }));
    const whole = message(httpLogs(httpEntry(), httpEntry()), { ...node, id: 'twin-2' });
    const error = await client.send(whole, Uint8Array.from(whole).subarray(0, whole.length - 3));
    expect(error?.details).toMatch(/must be an encoded StreamAccessLogsMessage/);
    expect(await counted('twins')).toBe(3);
  });
});

describe('an instance that reports its counts is not counted twice', () => {
  test('by what it says of itself', async () => {
    const node = workload('metered');
    const metered = { ...node, metadata: { ...node.metadata, [reportsMetricsKey]: true } };
    await client.send(message(httpLogs(httpEntry()), metered));
    expect(await counted('metered')).toBe(0);
    expect(findSample(await scrape(mixer), 'heddle_mixer_log_entries_total', { counted: 'false' })).toBe(1);
  });

  test('by the reports that came from it', async () => {
    const sidecar = new Sidecar('reporting', { mixer });
    await sidecar.sink.start();
    sidecar.request(5);
    await sidecar.tickUntil(mixer, 5, { source_workload: 'reporting' });
    const id = 'sidecar~127.0.0.1~reporting.shop~shop.svc.cluster.local';
    await client.send(message(httpLogs(httpEntry()), { ...workload('reporting'), id }));
    expect(await counted('reporting')).toBe(5);
    await sidecar.sink.close();
  });
});

describe('traces are found by what they are examples of', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const traced = (flags: string, rest: AccessLogCommon = {}): HTTPAccessLogEntry =>
    httpEntry(rest, { request: { request_headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}` } } });

  async function openMetrics(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${mixer.metricsPort}/metrics`, {
      headers: { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' },
    });
    expect(response.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    return response.text();
  }

  test('a recorded trace stands beside the bucket of its request', async () => {
    await client.send(message(httpLogs(traced('01', { duration: '0.030s' })), workload('traced')));
    const line = (await openMetrics()).split('\n').filter((each) => each.includes(traceId));
    expect(line).toHaveLength(1);
    expect(line[0]).toMatch(
      /^istio_request_duration_milliseconds_bucket\{.*source_workload="traced".*le="50\.0"\} 1 # /,
    );
    expect(line[0]).toMatch(/# \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"\} 30 \d+\.\d+$/);
  });

  test('the trace of a sidecar that counts by itself stands beside what that counted, and adds no series', async () => {
    const sidecar = new Sidecar('tracing', { mixer });
    await sidecar.sink.start();
    sidecar.request(2, 'v7');
    await sidecar.tickUntil(mixer, 2, { source_workload: 'tracing' });
    const id = 'sidecar~127.0.0.1~tracing.shop~shop.svc.cluster.local';
    const metadata = {
      NAMESPACE: 'shop',
      WORKLOAD_NAME: 'tracing',
      LABELS: { app: 'ftgo-order-service', version: 'v1' },
    };
    const common = { upstream_cluster: 'PassthroughCluster', duration: '0.002s' };
    const tags = { 'heddle.destination_workload': 'consumer-v7;shop;consumer;v7;Kubernetes' };
    const known = traced('01', { ...common, upstream_cluster: '', custom_tags: tags });
    await client.send(message(httpLogs(known, traced('01', common)), { id, metadata }));
    const lines = (await openMetrics()).split('\n').filter((each) => each.includes('source_workload="tracing"'));
    expect(lines.filter((each) => each.includes(traceId))).toHaveLength(1);
    expect(lines.filter((each) => each.startsWith('istio_requests_total'))).toHaveLength(1);
    await sidecar.sink.close();
  });

  test('a trace that nobody records is none', async () => {
    await client.send(message(httpLogs(traced('00')), workload('untraced')));
    expect(await openMetrics()).not.toMatch(/source_workload="untraced".*# /);
  });

  test('whoever asks for text gets text without any, which has no end mark', async () => {
    const response = await fetch(`http://127.0.0.1:${mixer.metricsPort}/metrics`);
    const text = await response.text();
    expect(text).not.toContain(traceId);
    expect(text).not.toContain('# EOF');
    expect(await openMetrics()).toMatch(/\n# EOF\n$/);
  });
});

describe('entries that are refused and counted, alone', () => {
  const bad: readonly [what: string, reason: string, entry: HTTPAccessLogEntry][] = [
    ['a cluster of 1 MB', 'labels', httpEntry({ upstream_cluster: `${reviews}${'x'.repeat(1_000_000)}` })],
    [
      'a workload of 1 MB',
      'labels',
      httpEntry({ custom_tags: { 'heddle.destination_workload': 'x'.repeat(1_000_000) } }),
    ],
    ['a cluster that is not named as Istio names them', 'cluster', httpEntry({ upstream_cluster: 'reviews' })],
    ['a cluster with a quote in its place', 'cluster', httpEntry({ upstream_cluster: 'outbound|x"|y' })],
    ['no start time', 'start_time', { ...httpEntry(), common_properties: { upstream_cluster: reviews } }],
    ['a start in 1970', 'start_time', httpEntry({ start_time: '1970-01-01T00:00:01Z' })],
    ['a start in 2099', 'start_time', httpEntry({ start_time: '2099-01-01T00:00:00Z' })],
    ['a negative duration', 'value', httpEntry({ duration: '-3s' })],
    ['a sample rate that is NaN', 'value', httpEntry({ sample_rate: NaN })],
    ['a negative sample rate', 'value', httpEntry({ sample_rate: -0.5 })],
    ['a sample rate of one in 10^300', 'value', httpEntry({ sample_rate: 1e-300 })],
    ['a status that HTTP has not', 'value', httpEntry({}, { response: { response_code: 40_000 } })],
  ];
  for (const [what, reason, entry] of bad) {
    test(`${what}: ${reason}`, async () => {
      const before = await rejected(reason);
      const name = `beside ${what}`;
      expect(await client.send(message(httpLogs(entry, httpEntry()), workload(name)))).toBeNull();
      expect(await rejected(reason)).toBe(before + 1);
      expect(await counted(name)).toBe(1);
    });
  }

  test('a stream that does not say who sends it', async () => {
    const before = await rejected('identifier');
    const error = await client.send(message(httpLogs(httpEntry()), { id: '' }));
    expect(error?.details).toMatch(/identifier\.node\.id .* must have 1 to 512 characters, got 0/);
    expect(await rejected('identifier')).toBe(before + 1);
  });

  test('random cuts and bytes never bring the mixer down', async () => {
    const goods = [
      message(httpLogs(httpEntry({ response_flags: { rate_limited: true } }))),
      message(tcpLogs(tcpEntry())),
    ];
    let state = 7;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let i = 0; i < 200; i += 1) {
      const good = goods[i % 2] ?? new Uint8Array();
      const bytes = Uint8Array.from(good).subarray(0, next(good.length + 1));
      for (let n = next(4); n > 0 && bytes.length > 0; n -= 1) bytes[next(bytes.length)] = next(256);
      await client.send(bytes);
    }
    await client.send(message(httpLogs(httpEntry()), workload('honest')));
    expect(await counted('honest')).toBe(1);
  });

  test('a flood of workloads fills the series that there are, and what exceeds them is counted together', async () => {
    const before = sumSamples(await scrape(mixer), 'istio_requests_total');
    for (let i = 0; i < 1_000; i += 1) await client.send(message(httpLogs(httpEntry()), workload(`flood-${i}`)));
    const families = await scrape(mixer);
    expect(sumSamples(families, 'istio_requests_total')).toBe(before + 1_000);
    expect(families.get('istio_requests_total')?.samples.length).toBeLessThanOrEqual(202);
    expect(sumSamples(families, 'istio_requests_total', { source_workload: 'overflow' })).toBeGreaterThan(800);
  }, 20_000);
});
