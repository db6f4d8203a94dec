import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../../proxy/api/envoy.gen.ts';
import { buildInboundCluster, buildOutboundClusters } from '../../../pilot/networking/clusters.ts';
import { discover } from '../../../pilot/registry/service-discovery.ts';
import { contextOf, destinationRuleYaml, resourcesOf, serviceYaml } from './scenario.ts';

function clusterOf(trafficPolicy: string): Cluster {
  const rule = destinationRuleYaml(`{ host: reviews, trafficPolicy: ${trafficPolicy} }`);
  const [cluster] = buildOutboundClusters(contextOf(serviceYaml('reviews') + rule).config, { namespace: 'default' });
  if (cluster === undefined) throw new Error('a service has a cluster');
  return cluster;
}

const noLimit = 4_294_967_295;
const noLimits = { max_connections: noLimit, max_pending_requests: noLimit, max_requests: noLimit };

describe('connectionPool', () => {
  test('D5 without one all limits of circuit breakers are lifted, of the application too', () => {
    const [limits] = clusterOf('{ loadBalancer: { simple: RANDOM } }').circuit_breakers?.thresholds ?? [];
    expect(limits).toMatchObject({ ...noLimits, track_remaining: true });
    expect(buildInboundCluster(8080, 'http1').circuit_breakers?.thresholds?.[0]).toMatchObject(noLimits);
  });

  test('its connect timeout beats that of the mesh', () => {
    const timeoutWith = (pool: string): string | undefined => {
      const rule = destinationRuleYaml(`{ host: reviews, trafficPolicy: { connectionPool: ${pool} } }`);
      const resources = resourcesOf(serviceYaml('reviews') + rule);
      const { config } = discover({ revision: 1, resources, workloads: [], meshConfig: { connectTimeout: '3s' } });
      return buildOutboundClusters(config, { namespace: 'default' })[0]?.connect_timeout;
    };
    expect(timeoutWith('{ tcp: { maxConnections: 1 } }')).toBe('3s');
    expect(timeoutWith('{ tcp: { connectTimeout: 1s } }')).toBe('1s');
  });

  test('its limits are thresholds, and zero is "not set" (D9)', () => {
    const pool =
      '{ tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 2, http2MaxRequests: 3, maxRetries: 4 } }';
    expect(clusterOf(`{ connectionPool: ${pool} }`).circuit_breakers?.thresholds).toEqual([
      expect.objectContaining({ max_connections: 1, max_pending_requests: 2, max_requests: 3, max_retries: 4 }),
    ]);
    const zeros = '{ tcp: { maxConnections: 0 }, http: { http1MaxPendingRequests: 0, maxRequestsPerConnection: 0 } }';
    const cluster = clusterOf(`{ connectionPool: ${zeros} }`);
    expect(cluster.circuit_breakers?.thresholds?.[0]).toMatchObject(noLimits);
    expect(cluster.common_http_protocol_options).toBeUndefined();
  });

  test('the life of a connection', () => {
    const pool = `{ tcp: { maxConnectionDuration: 1m, tcpKeepalive: { time: 1500ms } }, http: { maxRequestsPerConnection: 1 } }`;
    expect(clusterOf(`{ connectionPool: ${pool} }`)).toMatchObject({
      common_http_protocol_options: { max_connection_duration: '60s', max_requests_per_connection: 1 },
      upstream_connection_options: { tcp_keepalive: { keepalive_time: 2 } },
    });
    const keepalive = '{ interval: 2500ms, probes: 5 }';
    expect(
      clusterOf(`{ connectionPool: { tcp: { tcpKeepalive: ${keepalive} } } }`).upstream_connection_options,
    ).toEqual({
      tcp_keepalive: { keepalive_interval: 3, keepalive_probes: 5 },
    });
    expect(clusterOf('{ connectionPool: { tcp: { tcpKeepalive: {} } } }').upstream_connection_options).toEqual({
      tcp_keepalive: {},
    });
  });
});

const rates = {
  enforcing_success_rate: 0,
  enforcing_failure_percentage: 100,
  failure_percentage_threshold: 45,
  failure_percentage_minimum_hosts: 3,
  failure_percentage_request_volume: 20,
};

describe('outlierDetection', () => {
  test("D6, B11: success rates are off, as in Istio, the share of failures counts; the rest stays at Envoy's default", () => {
    expect(clusterOf('{ outlierDetection: {} }').outlier_detection).toEqual({ ...rates });
    expect(clusterOf('{ loadBalancer: { simple: RANDOM } }').outlier_detection).toBeUndefined();
  });

  test('D7 it sets the panic threshold', () => {
    const panicOf = (detection: string) =>
      clusterOf(`{ outlierDetection: ${detection} }`).common_lb_config?.healthy_panic_threshold;
    expect(panicOf('{}')).toEqual({ value: 0 });
    expect(panicOf('{ minHealthPercent: 30 }')).toEqual({ value: 30 });
  });

  test('rules that are given are enforced, and zero switches one off', () => {
    const detection =
      '{ consecutive5xxErrors: 0, consecutiveGatewayErrors: 3, interval: 5s, baseEjectionTime: 1m, maxEjectionPercent: 50 }';
    expect(clusterOf(`{ outlierDetection: ${detection} }`).outlier_detection).toEqual({
      ...rates,
      consecutive_5xx: 0,
      enforcing_consecutive_5xx: 0,
      consecutive_gateway_failure: 3,
      enforcing_consecutive_gateway_failure: 100,
      interval: '5s',
      base_ejection_time: '60s',
      max_ejection_percent: 50,
    });
  });

  test('failures to reach a host can be counted apart', () => {
    const detection = '{ splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 7 }';
    expect(clusterOf(`{ outlierDetection: ${detection} }`).outlier_detection).toEqual({
      ...rates,
      enforcing_failure_percentage_local_origin: 100,
      split_external_local_origin_errors: true,
      enforcing_local_origin_success_rate: 0,
      consecutive_local_origin_failure: 7,
      enforcing_consecutive_local_origin_failure: 100,
    });
  });
});
