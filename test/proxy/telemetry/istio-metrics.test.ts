import { describe, expect, test } from 'vitest';
import { encodePeerMetadata } from '../../../proxy/api/peer-metadata.ts';
import { standardLabelNames } from '../../../proxy/api/standard-metrics.ts';
import { IstioMetrics } from '../../../proxy/telemetry/istio-metrics.ts';
import { consumerService, consumerV2, nodeMetadata } from './nodes.ts';

function seriesOf(metrics: IstioMetrics): { labels: Record<string, string>; count: number }[] {
  return [...metrics.series()].map((series) => ({
    labels: Object.fromEntries(series.labels.map(({ name, value }) => [name, value])),
    count: metrics.requestCount(series),
  }));
}

describe('labels', () => {
  test('a request that leaves is reported by its source with both ends named', () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.record(metrics.outboundScope(consumerService, consumerV2), 200, '-', 3, 0, 128);
    expect(seriesOf(metrics)).toEqual([
      {
        count: 1,
        labels: {
          reporter: 'source',
          source_workload: 'ftgo-order-service-v1',
          source_canonical_service: 'ftgo-order-service',
          source_canonical_revision: 'v1',
          source_workload_namespace: 'shop',
          source_principal: 'unknown',
          source_app: 'ftgo-order-service',
          source_version: 'v1',
          source_cluster: 'Kubernetes',
          destination_workload: 'ftgo-consumer-service-v2',
          destination_workload_namespace: 'shop',
          destination_principal: 'unknown',
          destination_app: 'ftgo-consumer-service',
          destination_version: 'v2',
          destination_service: 'ftgo-consumer-service.shop.svc.cluster.local',
          destination_canonical_service: 'ftgo-consumer-service',
          destination_canonical_revision: 'v2',
          destination_service_name: 'ftgo-consumer-service',
          destination_service_namespace: 'shop',
          destination_cluster: 'Kubernetes',
          request_protocol: 'http',
          response_code: '200',
          grpc_response_status: '',
          response_flags: '-',
          connection_security_policy: 'unknown',
        },
      },
    ]);
  });

  test('labels stand in the order of Istio', () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.record(metrics.inboundScope(''), 200, '-', 1, 1, 1);
    const [series] = metrics.series();
    expect(series?.labels.map(({ name }) => name)).toEqual(standardLabelNames);
  });

  test('a request that arrives is reported by its destination with the peer of the header as its source', () => {
    const metrics = new IstioMetrics(nodeMetadata());
    const peer = nodeMetadata({ workloadName: 'web-v3', namespace: 'front', labels: { app: 'web', version: 'v3' } });
    metrics.record(metrics.inboundScope(encodePeerMetadata(peer)), 200, '-', 1, 0, 0);
    expect(seriesOf(metrics)[0]?.labels).toMatchObject({
      reporter: 'destination',
      source_workload: 'web-v3',
      source_workload_namespace: 'front',
      source_app: 'web',
      source_version: 'v3',
      destination_workload: 'ftgo-order-service-v1',
      destination_version: 'v1',
      destination_service: 'ftgo-order-service.shop.svc.cluster.local',
      destination_service_name: 'ftgo-order-service',
      connection_security_policy: 'none',
    });
  });

  test('what nobody knows is unknown', () => {
    const metrics = new IstioMetrics(nodeMetadata({ service: '', labels: {} }));
    metrics.record(metrics.outboundScope(undefined, undefined), 404, 'NR', 1, 0, 0);
    metrics.record(metrics.inboundScope(''), 200, '-', 1, 0, 0);
    const [outbound, inbound] = seriesOf(metrics);
    expect(outbound?.labels).toMatchObject({
      source_app: 'unknown',
      source_canonical_service: 'ftgo-order-service-v1',
      source_canonical_revision: 'latest',
      destination_workload: 'unknown',
      destination_service: 'unknown',
      destination_version: 'unknown',
      response_code: '404',
      response_flags: 'NR',
    });
    expect(inbound?.labels).toMatchObject({ source_workload: 'unknown', destination_service_name: 'unknown' });
  });
});

describe('series', () => {
  test('response code and flags tell series apart, also for codes that HTTP does not define', () => {
    const metrics = new IstioMetrics(nodeMetadata());
    const scope = metrics.outboundScope(consumerService, consumerV2);
    const responses: [number, string][] = [
      [200, '-'],
      [503, '-'],
      [503, 'UH'],
      [503, 'UF'],
      [0, 'DC'],
      [0, '-'],
      [599, '-'],
      [600, '-'],
      [999, '-'],
      [999, 'UH'],
    ];
    responses.forEach(([code, flags], i) => {
      for (let n = 0; n <= i; n += 1) metrics.record(scope, code, flags, 1, 1, 1);
    });
    expect(
      seriesOf(metrics).map(({ labels, count }) => [labels['response_code'], labels['response_flags'], count]),
    ).toEqual(responses.map(([code, flags], i) => [String(code), flags, i + 1]));
  });

  test('two endpoints of one workload share their series, however often they come and go', () => {
    const metrics = new IstioMetrics(nodeMetadata());
    for (let i = 0; i < 5000; i += 1) {
      metrics.record(metrics.outboundScope({ ...consumerService }, { ...consumerV2 }), 200, '-', 1, 0, 0);
    }
    expect(seriesOf(metrics).map(({ count }) => count)).toEqual([5000]);
  });

  test('the cap of one reporter ends in an overflow series, counts nothing twice and leaves the other reporter alone', () => {
    const metrics = new IstioMetrics(nodeMetadata(), { maxSeries: 3 });
    for (let i = 0; i < 10; i += 1) {
      const peer = encodePeerMetadata(nodeMetadata({ workloadName: `intruder-${i}` }));
      metrics.record(metrics.inboundScope(peer), 200, '-', 1, 0, 0);
      metrics.record(metrics.inboundScope(peer), 200, '-', 1, 0, 0);
    }
    metrics.record(metrics.outboundScope(consumerService, consumerV2), 200, '-', 1, 0, 0);
    const all = seriesOf(metrics);
    const inbound = all.filter(({ labels }) => labels['reporter'] === 'destination');
    expect(inbound.reduce((sum, { count }) => sum + count, 0)).toBe(20);
    expect(inbound.length).toBeLessThanOrEqual(4);
    expect(inbound.find(({ labels }) => labels['source_workload'] === 'overflow')?.labels['response_code']).toBe(
      'overflow',
    );
    expect(all.find(({ labels }) => labels['reporter'] === 'source')?.labels['destination_version']).toBe('v2');
  });

  test('an unknown response code counts as overflow when the cap is reached inside a known scope', () => {
    const metrics = new IstioMetrics(nodeMetadata(), { maxSeries: 2 });
    const scope = metrics.outboundScope(consumerService, consumerV2);
    for (const code of [200, 201, 202, 203, 203]) metrics.record(scope, code, '-', 1, 0, 0);
    const codes = seriesOf(metrics).map(({ labels, count }) => [labels['response_code'], count]);
    expect(codes).toEqual([
      ['overflow', 3],
      ['200', 1],
      ['201', 1],
    ]);
  });
});

describe('peer metadata from anybody', () => {
  const hostile: Record<string, string> = {
    empty: '',
    'not base64': '<script>alert(1)</script>',
    'base64 of garbage': Buffer.from('\u0000\u00ff garbage').toString('base64'),
    'longer than any peer sends': 'A'.repeat(60_000),
    'with a name of 1,000 letters': encodePeerMetadata(nodeMetadata({ workloadName: 'x'.repeat(1000) })),
    __proto__: '__proto__',
  };

  for (const [what, header] of Object.entries(hostile)) {
    test(`a header that is ${what} means an unknown peer`, () => {
      const metrics = new IstioMetrics(nodeMetadata());
      metrics.record(metrics.inboundScope(header), 200, '-', 1, 0, 0);
      expect(seriesOf(metrics)[0]?.labels['source_workload']).toBe('unknown');
    });
  }

  test('the remembered headers are bounded and a forgotten peer finds its series again', () => {
    const metrics = new IstioMetrics(nodeMetadata(), { maxCachedPeers: 2 });
    const headers = [1, 2, 3, 4].map((i) => encodePeerMetadata(nodeMetadata({ workloadName: `web-${i}` })));
    for (let round = 0; round < 3; round += 1) {
      for (const header of headers) metrics.record(metrics.inboundScope(header), 200, '-', 1, 0, 0);
    }
    expect(seriesOf(metrics).map(({ labels, count }) => [labels['source_workload'], count])).toEqual([
      ['web-1', 3],
      ['web-2', 3],
      ['web-3', 3],
      ['web-4', 3],
    ]);
  });

  test('the same header gives the same scope', () => {
    const metrics = new IstioMetrics(nodeMetadata());
    const [a, b] = ['a', 'b'].map((workloadName) => encodePeerMetadata(nodeMetadata({ workloadName })));
    const first = metrics.inboundScope(a ?? '');
    metrics.inboundScope(b ?? '');
    expect(metrics.inboundScope(a ?? '')).toBe(first);
  });
});
