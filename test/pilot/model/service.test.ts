import { describe, expect, test } from 'vitest';
import { clusterHostname, protocolOf } from '../../../pilot/model/service.ts';

describe('protocol of a port', () => {
  test.each([
    ['http', 'HTTP'],
    ['http-web', 'HTTP'],
    ['grpc-web', 'HTTP'],
    ['', 'HTTP'],
    ['web', 'HTTP'],
    ['tcp', 'TCP'],
    ['tcp-db', 'TCP'],
    ['TLS-x', 'TCP'],
    ['https', 'TCP'],
    ['mysql', 'TCP'],
  ])('a port named "%s" is %s', (name, protocol) => {
    expect(protocolOf(name)).toBe(protocol);
  });

  test('appProtocol counts more than the name', () => {
    expect(protocolOf('http', 'mongo')).toBe('TCP');
    expect(protocolOf('tcp', 'http')).toBe('HTTP');
  });
});

test('hostnames are lower case', () => {
  expect(clusterHostname('Reviews', 'default')).toBe('reviews.default.svc.cluster.local');
});
