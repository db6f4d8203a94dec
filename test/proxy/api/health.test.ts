import { describe, expect, test } from 'vitest';
import { decodeDiscoveryRequest, type DiscoveryRequest, encodeDiscoveryRequest } from '../../../proxy/api/discovery.ts';
import { type Health, healthRequest, reportedHealth } from '../../../proxy/api/health.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';

const overTheWire = (request: DiscoveryRequest): DiscoveryRequest =>
  requireValue(decodeDiscoveryRequest(encodeDiscoveryRequest(request)), 'request');

describe('a health report', () => {
  test.each<Health>([{ kind: 'healthy' }, { kind: 'unhealthy', reason: 'nobody listens' }])(
    'survives the wire: %j',
    (health) => {
      expect(reportedHealth(overTheWire(healthRequest(health)))).toEqual(health);
    },
  );

  test("has the form of Istio's agent", () => {
    expect(overTheWire(healthRequest({ kind: 'unhealthy', reason: 'nobody listens' }))).toMatchObject({
      typeUrl: 'type.googleapis.com/istio.v1.HealthInformation',
      resourceNames: [],
      errorDetail: { code: 13, message: 'nobody listens' },
    });
    expect(healthRequest({ kind: 'healthy' }).errorDetail).toBeUndefined();
  });

  test('that is unhealthy without a word is unhealthy', () => {
    const request = { ...healthRequest({ kind: 'healthy' }), errorDetail: { code: 13, message: '' } };
    expect(reportedHealth(overTheWire(request))).toEqual({ kind: 'unhealthy', reason: 'no reason given' });
  });

  test('is no subscription, and the other way round', () => {
    const typeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
    const errorDetail = { code: 3, message: 'refused' };
    expect(reportedHealth({ ...healthRequest({ kind: 'healthy' }), typeUrl, errorDetail })).toBeUndefined();
  });
});
