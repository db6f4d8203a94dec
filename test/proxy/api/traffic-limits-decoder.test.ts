import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type {
  CircuitBreakers_Thresholds as Thresholds,
  Cluster,
  OutlierDetection,
} from '../../../proxy/api/envoy.gen.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { edsClusterJson } from './samples.ts';

const decode = (json: Cluster) =>
  decodeCluster(
    requireValue(readJson('envoy.config.cluster.v3.Cluster', { ...edsClusterJson('a'), ...json }), 'sample'),
  );
const valueOf = (json: Cluster) => requireValue(decode(json), 'cluster');
const faultsOf = (json: Cluster) => formatFieldErrors(decode(json).errors ?? []);

describe('circuit breakers', () => {
  const limits = (...thresholds: Thresholds[]) => valueOf({ circuit_breakers: { thresholds } }).circuitBreakers;

  test('have the limits of Envoy where nothing is said', () => {
    const defaults = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };
    expect(valueOf({}).circuitBreakers).toMatchObject({ ...defaults, isRemainingTracked: false });
    expect(limits({})).toEqual(valueOf({}).circuitBreakers);
    expect(limits({ max_requests: 5 })).toMatchObject({ ...defaults, maxRequests: 5 });
  });

  test('may be zero or without limit', () => {
    expect(limits({ max_connections: 0, max_retries: 4_294_967_295 })).toMatchObject({
      maxConnections: 0,
      maxRetries: 4_294_967_295,
    });
  });

  test('with a retry budget', () => {
    const budget = (retry_budget: NonNullable<Thresholds['retry_budget']>) => limits({ retry_budget }).retryBudget;
    expect(budget({})).toEqual({ percent: 20, minRetryConcurrency: 3 });
    expect(budget({ budget_percent: { value: 50 }, min_retry_concurrency: 1 })).toEqual({
      percent: 50,
      minRetryConcurrency: 1,
    });
  });

  test('of a priority that no request has are refused', () => {
    expect(faultsOf({ circuit_breakers: { thresholds: [{ priority: 'HIGH' }] } })).toBe(
      'circuit_breakers.thresholds[0].priority: "HIGH" is not supported, only "DEFAULT" is',
    );
    expect(faultsOf({ circuit_breakers: { thresholds: [{}, {}] } })).toBe(
      'circuit_breakers.thresholds: must have one element: there is one priority',
    );
  });
});

describe('connections', () => {
  test('have the lifetime that either place says', () => {
    expect(valueOf({})).toMatchObject({
      maxConnectionDurationMs: 0,
      maxRequestsPerConnection: 0,
      tcpKeepalive: undefined,
    });
    const common_http_protocol_options = { max_connection_duration: '60s', max_requests_per_connection: 2 };
    expect(valueOf({ common_http_protocol_options, max_requests_per_connection: 9 })).toMatchObject({
      maxConnectionDurationMs: 60_000,
      maxRequestsPerConnection: 2,
    });
    expect(valueOf({ max_requests_per_connection: 9 }).maxRequestsPerConnection).toBe(9);
  });

  test('are kept alive by probes, as far as Linux counts', () => {
    expect(valueOf({ upstream_connection_options: { tcp_keepalive: { keepalive_time: 30 } } }).tcpKeepalive).toEqual({
      timeMs: 30_000,
      intervalMs: 0,
      probes: 0,
    });
    const tcp_keepalive = { keepalive_interval: 5, keepalive_probes: 3 };
    expect(valueOf({ upstream_connection_options: { tcp_keepalive } }).tcpKeepalive).toEqual({
      timeMs: 0,
      intervalMs: 5_000,
      probes: 3,
    });
    expect(faultsOf({ upstream_connection_options: { tcp_keepalive: { keepalive_probes: 128 } } })).toBe(
      'upstream_connection_options.tcp_keepalive.keepalive_probes: must be from 0 to 127, got 128',
    );
  });
});

describe('outlier detection', () => {
  const detect = (outlier_detection: OutlierDetection) => valueOf({ outlier_detection }).outlierDetection;

  test('is off unless it is there, and then has the defaults of Envoy', () => {
    expect(valueOf({}).outlierDetection).toBeUndefined();
    expect(detect({})).toEqual({
      consecutive5xx: { threshold: 5, enforcingPercent: 100 },
      consecutiveGatewayFailure: { threshold: 5, enforcingPercent: 0 },
      consecutiveLocalOriginFailure: { threshold: 5, enforcingPercent: 100 },
      successRate: {
        minimumHosts: 5,
        requestVolume: 100,
        stdevFactor: 1.9,
        enforcingPercent: 100,
        enforcingLocalOriginPercent: 100,
      },
      failurePercentage: {
        minimumHosts: 5,
        requestVolume: 50,
        thresholdPercent: 85,
        enforcingPercent: 0,
        enforcingLocalOriginPercent: 0,
      },
      isLocalOriginSplit: false,
      intervalMs: 10_000,
      baseEjectionTimeMs: 30_000,
      maxEjectionTimeMs: 300_000,
      maxEjectionTimeJitterMs: 0,
      maxEjectionPercent: 10,
      errorStatuses: undefined,
      isUnejectedByHealthCheck: true,
      isOneEjectionAllowed: false,
    });
    expect(detect({ base_ejection_time: '600s' })?.maxEjectionTimeMs).toBe(600_000);
  });

  test('is refused with what makes no sense or is not supported', () => {
    const outlier_detection = {
      interval: '0s',
      max_ejection_percent: 101,
      monitors: [{ name: 'a' }],
    };
    expect(faultsOf({ outlier_detection }).split('\n').sort()).toEqual([
      'outlier_detection.interval: must be more than 0s',
      'outlier_detection.max_ejection_percent: must be from 0 to 100, got 101',
      'outlier_detection.monitors: is not supported',
    ]);
  });
});
