import { describe, expect, test } from 'vitest';
import { parseHealthCheck } from '../../crds/health-check.ts';
import { defaultOutlierRates, parseOutlierRates } from '../../crds/outlier-rates.ts';
import { validateResource } from '../../crds/validate.ts';
import { formatFieldErrors } from '../../proxy/common/decoded.ts';

const defaults = { intervalMs: 10_000, timeoutMs: 1_000, unhealthyThreshold: 3, healthyThreshold: 1, port: 0 };

describe('heddle.dev/health-check', () => {
  test.each([
    ['tcp', { ...defaults, probe: { kind: 'tcp' } }],
    ['tcp; interval=5s; port=81', { ...defaults, probe: { kind: 'tcp' }, intervalMs: 5_000, port: 81 }],
    [
      'http:/healthz?x=1',
      {
        ...defaults,
        probe: {
          kind: 'http',
          path: '/healthz?x=1',
          method: 'GET',
          host: undefined,
          statuses: [{ from: 200, to: 200 }],
        },
      },
    ],
    [
      'http:/; status=200-299,401;timeout=250ms ; unhealthy=1;healthy=2; method=HEAD; host=a.b:8',
      {
        ...defaults,
        timeoutMs: 250,
        unhealthyThreshold: 1,
        healthyThreshold: 2,
        probe: {
          kind: 'http',
          path: '/',
          method: 'HEAD',
          host: 'a.b:8',
          statuses: [
            { from: 200, to: 299 },
            { from: 401, to: 401 },
          ],
        },
      },
    ],
  ])('%s', (text, value) => expect(parseHealthCheck(text)).toEqual({ value }));

  test.each([
    ['', 'must begin with http:/PATH or tcp, got ""'],
    ['http:healthz', 'must begin with http:/PATH or tcp, got "http:healthz"'],
    ['http:/a b', 'must begin with http:/PATH or tcp, got "http:/a b"'],
    ['tcp;', 'must have NAME=VALUE between semicolons, got ""'],
    ['tcp; interval', 'must have NAME=VALUE between semicolons, got "interval"'],
    ['tcp; interval=5', 'interval must be a duration such as 1h, 1m30s, 1.5s or 10ms, got "5"'],
    ['tcp; interval=0s', 'interval must be at least 1ms, got "0s"'],
    ['tcp; interval=1s; interval=2s', 'must have interval once only'],
    ['tcp; intervall=1s', 'has no setting "intervall" (did you mean "interval"?)'],
    ['tcp; status=200', 'has no setting "status", known are interval, timeout, unhealthy, healthy, port'],
    ['tcp; port=0', 'port must be a whole number from 1 to 65535, got "0"'],
    ['tcp; healthy=0', 'healthy must be a whole number from 1 to 1000, got "0"'],
    ['http:/; status=2xx', 'status must be a status such as 200, or a range 200-299, got "2xx"'],
    ['http:/; status=299-200', 'status must be a status such as 200, or a range 200-299, got "299-200"'],
    ['http:/; method=get', 'method must be one of GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, got "get"'],
    ['http:/; host=a b', 'host must be a host, got "a b"'],
  ])('%j is refused', (text, fault) => expect(parseHealthCheck(text)).toEqual({ fault }));
});

describe('B11: heddle.dev/outlier-rates', () => {
  test.each([
    ['off', undefined],
    ['failure-percentage=60', { ...defaultOutlierRates, failure: { ...defaultOutlierRates.failure, percent: 60 } }],
    [
      'success-rate-stdev=1900; success-hosts=4',
      { ...defaultOutlierRates, success: { stdevFactor: 1_900, minimumHosts: 4, requestVolume: 100 } },
    ],
  ])('%s', (text, value) => expect(parseOutlierRates(text)).toEqual({ value }));

  test.each(['', 'on', 'failure-percentage=0', 'failure-percentage=101', 'volume=3'])('%j is refused', (text) =>
    expect(parseOutlierRates(text).fault).toBeDefined(),
  );
});

describe('a DestinationRule', () => {
  const faultOf = (annotation: string, text: string, trafficPolicy = {}): string =>
    formatFieldErrors(
      validateResource({
        apiVersion: 'networking.istio.io/v1',
        kind: 'DestinationRule',
        metadata: { name: 'a', annotations: { [annotation]: text } },
        spec: { host: 'a', trafficPolicy: { connectionPool: { tcp: {} }, ...trafficPolicy } },
      }).errors ?? [],
    );

  test('is refused at an annotation that means nothing', () => {
    expect(faultOf('heddle.dev/health-check', 'tcp')).toBe('');
    expect(faultOf('heddle.dev/health-check', 'udp')).toBe(
      'metadata.annotations["heddle.dev/health-check"]: must begin with http:/PATH or tcp, got "udp"',
    );
  });

  test('is refused when its rates have no outlierDetection to belong to', () => {
    expect(faultOf('heddle.dev/outlier-rates', 'off', { outlierDetection: {} })).toBe('');
    expect(faultOf('heddle.dev/outlier-rates', 'off')).toBe(
      'metadata.annotations["heddle.dev/outlier-rates"]: needs a trafficPolicy with outlierDetection',
    );
  });
});
