import { describe, expect, test } from 'vitest';
import { findUnsupported, validateResource } from '../../crds/validate.ts';
import { formatFieldErrors } from '../../proxy/common/decoded.ts';

const resourceWith = (loadBalancer: object) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'a' },
  spec: { host: 'a', trafficPolicy: { loadBalancer } },
});

function faultsOf(loadBalancer: object): string {
  const resource = resourceWith(loadBalancer);
  // Only what Istio accepts is asked whether it is in force.
  expect(validateResource(resource).errors).toBeUndefined();
  return formatFieldErrors(findUnsupported(resource)).replaceAll('spec.trafficPolicy.loadBalancer', '…');
}

describe('a load balancer that is in force', () => {
  test.each([
    { simple: 'ROUND_ROBIN', warmup: { duration: '30s', minimumPercent: 5, aggression: 2 } },
    { warmupDurationSecs: '30s' },
    { localityLbSetting: { enabled: false } },
    { consistentHash: { httpHeaderName: 'x-user' } },
    { consistentHash: { useSourceIp: true, ringHash: { minimumRingSize: 4096 } } },
    { consistentHash: { httpQueryParameterName: 'user', maglev: { tableSize: 101 } } },
    { consistentHash: { httpCookie: { name: 'lb', ttl: '0s', path: '/', attributes: [{ name: 'Secure' }] } } },
  ])('%j', (loadBalancer) => {
    expect(faultsOf(loadBalancer)).toBe('');
  });
});

describe('a load balancer that would not do what it says', () => {
  test.each<[object, string]>([
    [{ simple: 'PASSTHROUGH', warmup: { duration: '1s' } }, '….warmup: has no effect with PASSTHROUGH'],
    [{ simple: 'RANDOM', warmup: { duration: '1s' } }, '….warmup: has no effect with RANDOM'],
    [
      { consistentHash: { useSourceIp: true }, warmupDurationSecs: '1s' },
      '….warmupDurationSecs: has no effect with consistentHash',
    ],
    [{ consistentHash: { httpHeaderName: 'x user' } }, '….consistentHash.httpHeaderName: must be a token'],
    [{ consistentHash: { httpHeaderName: '' } }, '….consistentHash.httpHeaderName: must be a token'],
    [{ consistentHash: { httpQueryParameterName: '' } }, '….consistentHash.httpQueryParameterName: must not be empty'],
    [{ consistentHash: { httpCookie: { name: 'a=b' } } }, '….consistentHash.httpCookie.name: must be a token'],
    [{ consistentHash: { httpCookie: { name: 'a', path: '/;b' } } }, '….consistentHash.httpCookie.path: must have no'],
    [
      { consistentHash: { httpCookie: { name: 'a', attributes: [{ name: 'b', value: 'c\nd' }] } } },
      '….consistentHash.httpCookie.attributes[0]: must have no',
    ],
    [
      { consistentHash: { ringHash: { minimumRingSize: 8_388_609 } } },
      '….consistentHash.ringHash.minimumRingSize: must',
    ],
    [{ consistentHash: { minimumRingSize: 8_388_609 } }, '….consistentHash.minimumRingSize: must be at most 8388608'],
    [
      { consistentHash: { useSourceIp: true }, zoneAwareLbSetting: {} },
      '….zoneAwareLbSetting: has no effect with consistentHash',
    ],
    [{ simple: 'PASSTHROUGH', zoneAwareLbSetting: {} }, '….zoneAwareLbSetting: has no effect with PASSTHROUGH'],
  ])('%j is refused', (loadBalancer, fault) => {
    expect(faultsOf(loadBalancer)).toContain(fault);
  });
});
