import { describe, expect, test } from 'vitest';
import { parseLoadBalancer } from '../../crds/peak-ewma.ts';
import { errorsOf, resource, unsupportedOf } from './support.ts';

describe('the annotation that asks for latency-aware balancing', () => {
  test.each([
    ['peak-ewma', undefined],
    ['peak-ewma;decay=10s', 10_000],
    ['peak-ewma;decay=1m30s', 90_000],
    ['peak-ewma;decay=1ms', 1],
  ])('%s', (text, decayMs) => {
    expect(parseLoadBalancer(text)).toEqual({ decayMs });
  });

  test.each([
    '',
    'ewma',
    'PEAK-EWMA',
    ' peak-ewma',
    'peak-ewma;',
    'peak-ewma;10s',
    'peak-ewma;decay=',
    'peak-ewma;decay=soon',
    'peak-ewma;decay=0s',
    'peak-ewma;decay=-1s',
    'peak-ewma;decay=1ns',
    'peak-ewma;decay=1s;decay=2s',
  ])('%j is none', (text) => {
    expect(parseLoadBalancer(text)).toBeUndefined();
    expect(errorsOf(annotated({}, text))).toEqual([
      `metadata.annotations["heddle.dev/load-balancer"]: must be peak-ewma or peak-ewma;decay=DURATION, at least 1ms, got ${JSON.stringify(text)}`,
    ]);
  });

  test('stands beside what is not about choosing a host', () => {
    const rule = annotated({
      trafficPolicy: {
        loadBalancer: {
          simple: 'UNSPECIFIED',
          localityLbSetting: { failover: [{ from: 'a', to: 'b' }], distribute: [] },
        },
        outlierDetection: {},
      },
    });
    expect([...errorsOf(rule), ...unsupportedOf(rule)]).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['simple', { simple: 'ROUND_ROBIN' }, 'simple'],
    ['consistentHash', { consistentHash: { useSourceIp: true } }, 'consistentHash'],
    ['warmup', { warmup: { duration: '10s' } }, 'warmup'],
    ['warmupDurationSecs', { warmupDurationSecs: '10s' }, 'warmupDurationSecs'],
    [
      'distribute',
      { localityLbSetting: { distribute: [{ from: 'a', to: { a: 100 } }] } },
      'localityLbSetting.distribute',
    ],
  ])('contradicts %s, wherever that stands in the rule', (_, loadBalancer, field) => {
    const message = 'must not stand beside the annotation heddle.dev/load-balancer';
    expect(errorsOf(annotated({ trafficPolicy: { loadBalancer } }))).toEqual([
      `spec.trafficPolicy.loadBalancer.${field}: ${message}`,
    ]);
    expect(errorsOf(annotated({ subsets: [{ name: 'a', trafficPolicy: { loadBalancer } }] }))).toEqual([
      `spec.subsets[0].trafficPolicy.loadBalancer.${field}: ${message}`,
    ]);
    const ports = [{ port: { number: 80 }, loadBalancer }];
    expect(errorsOf(annotated({ trafficPolicy: { portLevelSettings: ports } }))).toEqual([
      `spec.trafficPolicy.portLevelSettings[0].loadBalancer.${field}: ${message}`,
    ]);
  });
});

function annotated(spec: object, text = 'peak-ewma'): object {
  const annotations = { 'heddle.dev/load-balancer': text };
  return resource('DestinationRule', { host: 'reviews', ...spec }, { annotations });
}
