import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { decodeClusterLoadAssignment } from '../../../proxy/api/endpoint-decoder.ts';
import type { Cluster, HealthCheck, HealthCheck_HttpHealthCheck } from '../../../proxy/api/envoy.gen.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { staticCluster } from '../../support/envoy-json.ts';

const needed = { timeout: '1s', interval: '5s', unhealthy_threshold: 2, healthy_threshold: 3 };
const clusterOf = (rest: Cluster): Cluster => staticCluster('c', [1], rest);
const checkOf = (check: HealthCheck) =>
  requireValue(decodeCluster(clusterOf({ health_checks: [check] })), 'cluster').healthCheck;
const faultsOf = (rest: Cluster): string => formatFieldErrors(decodeCluster(clusterOf(rest)).errors ?? []);
const faultsOfCheck = (check: HealthCheck): string => faultsOf({ health_checks: [{ ...needed, ...check }] });
const faultsOfHttp = (check: HealthCheck_HttpHealthCheck): string =>
  faultsOfCheck({ http_health_check: { path: '/', ...check } });

describe('a health check', () => {
  test('is none where none is said', () => {
    expect(requireValue(decodeCluster(clusterOf({})), 'cluster').healthCheck).toBeUndefined();
  });

  test('has the defaults of Envoy', () => {
    expect(checkOf({ ...needed, http_health_check: { path: '/healthz' } })).toEqual({
      probe: {
        kind: 'http',
        host: 'c',
        path: '/healthz',
        method: 'GET',
        headers: [],
        expectedStatuses: [{ start: 200, end: 201 }],
        retriableStatuses: [],
      },
      timeoutMs: 1_000,
      intervals: {
        healthyMs: 5_000,
        unhealthyMs: 5_000,
        healthyEdgeMs: 5_000,
        unhealthyEdgeMs: 5_000,
        noTrafficMs: 60_000,
        noTrafficHealthyMs: 60_000,
      },
      initialJitterMs: 0,
      intervalJitterMs: 0,
      intervalJitterPercent: 0,
      unhealthyThreshold: 2,
      healthyThreshold: 3,
      isConnectionReused: true,
      isHealthIgnoredOnRemoval: false,
    });
  });

  test('has intervals that follow from those that are set', () => {
    const check = { ...needed, unhealthy_interval: '2s', no_traffic_interval: '7s', tcp_health_check: {} };
    expect(checkOf(check)?.intervals).toEqual({
      healthyMs: 5_000,
      unhealthyMs: 2_000,
      healthyEdgeMs: 5_000,
      unhealthyEdgeMs: 2_000,
      noTrafficMs: 7_000,
      noTrafficHealthyMs: 7_000,
    });
  });

  test('over TCP has bytes, as text in hexadecimal digits', () => {
    const receive = [{ binary: Buffer.from('ok').toString('base64') }];
    const probe = checkOf({ ...needed, tcp_health_check: { send: { text: '50494e47' }, receive } })?.probe;
    expect(probe).toEqual({ kind: 'tcp', send: Buffer.from('PING'), receive: [Buffer.from('ok')] });
  });

  test.each([
    [
      faultsOf({ health_checks: [{}] })
        .split('\n')
        .sort()
        .join('\n'),
      [
        'health_checks[0].healthy_threshold: must be set',
        'health_checks[0].interval: must be more than 0s',
        'health_checks[0].timeout: must be more than 0s',
        'health_checks[0].unhealthy_threshold: must be set',
        'health_checks[0]: must have http_health_check or tcp_health_check',
      ].join('\n'),
    ],
    [
      faultsOf({ health_checks: [1, 2].map(() => ({ ...needed, tcp_health_check: {} })) }),
      'health_checks: must have one entry at most',
    ],
    [
      faultsOfCheck({ tcp_health_check: {}, event_log_path: '/tmp/log' }),
      'health_checks[0].event_log_path: is not supported',
    ],
    [
      faultsOfCheck({ tcp_health_check: { send: { text: 'PING' } } }),
      'health_checks[0].tcp_health_check.send.text: must be pairs of hexadecimal digits',
    ],
    [faultsOfHttp({ path: '' }), 'health_checks[0].http_health_check.path: must be set'],
    [faultsOfHttp({ path: '/a\r\nb' }), 'health_checks[0].http_health_check.path: must be a path, got "/a\\r\\nb"'],
    [
      faultsOfHttp({ method: 'CONNECT' }),
      'health_checks[0].http_health_check.method: "CONNECT" is not supported, only GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH',
    ],
    [
      faultsOfHttp({ service_name_matcher: { exact: 'a' } }),
      'health_checks[0].http_health_check.service_name_matcher: is not supported',
    ],
    [
      faultsOfHttp({ expected_statuses: [{ start: 300, end: 200 }] }),
      'health_checks[0].http_health_check.expected_statuses[0]: must be a range [start, end) within [100, 600)',
    ],
    [
      faultsOfHttp({ request_headers_to_add: [{ header: { key: 'x', value: '%START_TIME%' } }] }),
      'health_checks[0].http_health_check.request_headers_to_add[0].header.value: must be one line of plain text without %',
    ],
    [
      faultsOfHttp({ codec_client_type: 'HTTP2' }),
      'health_checks[0].http_health_check.codec_client_type: "HTTP2" is not supported, only "HTTP1" is',
    ],
  ])('is refused: %s', (faults, expected) => expect(faults).toBe(expected));
});

test('an endpoint may have a port and a name of its own for checks, or none at all', () => {
  const health_check_config = { port_value: 81, hostname: 'a.b', disable_active_health_check: true };
  const address = { socket_address: { address: '10.0.0.1', port_value: 80 } };
  const lb_endpoints = [
    { endpoint: { address, health_check_config } },
    { endpoint: { address: { ...address, socket_address: { address: '10.0.0.2', port_value: 80 } } } },
  ];
  const { endpoints } = requireValue(
    decodeClusterLoadAssignment({ cluster_name: 'c', endpoints: [{ lb_endpoints }] }),
    'eds',
  );
  expect(endpoints.map(({ healthCheck }) => healthCheck)).toEqual([
    { port: 81, hostname: 'a.b', isDisabled: true },
    undefined,
  ]);
});
