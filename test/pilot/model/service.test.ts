import { describe, expect, test } from 'vitest';
import {
  clusterHostname,
  connectionPorts,
  httpPorts,
  httpVersionOf,
  interceptedProtocol,
  protocolOf,
} from '../../../pilot/model/service.ts';

describe('protocol of a port', () => {
  test.each([
    ['http', 'HTTP'],
    ['http-web', 'HTTP'],
    ['HTTP_PROXY', 'HTTP'],
    ['grpc-web', 'HTTP'],
    ['grpc-web-shop', 'HTTP'],
    ['grpc', 'HTTP2'],
    ['http2-api', 'HTTP2'],
    ['', 'UNSUPPORTED'],
    ['web', 'UNSUPPORTED'],
    ['httpweb', 'UNSUPPORTED'],
    ['tcp', 'TCP'],
    ['tcp-db', 'TCP'],
    ['TLS-x', 'TLS'],
    ['https', 'TLS'],
    ['mysql', 'TCP'],
    ['redis-cache', 'TCP'],
    ['udp-dns', 'UDP'],
  ])('a port named "%s" is %s', (name, protocol) => {
    expect(protocolOf(name)).toBe(protocol);
  });

  test.each([
    ['mongo', 'TCP'],
    ['http', 'HTTP'],
    ['tcp-anything', 'TCP'],
    ['kubernetes.io/h2c', 'HTTP2'],
    ['kubernetes.io/ws', 'HTTP'],
    ['kubernetes.io/wss', 'TLS'],
    ['example.com/own', 'UNSUPPORTED'],
  ])('appProtocol "%s" is %s, whatever the name', (appProtocol, protocol) => {
    expect(protocolOf(protocol === 'TCP' ? 'http' : 'tcp', appProtocol)).toBe(protocol);
  });

  test('a name with a slash has no meaning of its own', () => {
    expect(protocolOf('kubernetes.io/wss')).toBe('UNSUPPORTED');
  });
});

describe('how connections to a port are handled where they are intercepted', () => {
  const portOf = (name: string, number: number) => ({ name, number, protocol: protocolOf(name), targetPort: number });

  test.each([25, 53, 3306, 27_017])('port %i is never sniffed: its servers speak first', (number) => {
    expect(interceptedProtocol(portOf('', number))).toBe('TCP');
    expect(interceptedProtocol(portOf('http', number))).toBe('HTTP');
  });

  test('other ports that nobody declared are', () => {
    expect(interceptedProtocol(portOf('', 5432))).toBe('UNSUPPORTED');
  });

  test('HTTP/2 is HTTP', () => {
    expect(interceptedProtocol(portOf('grpc', 50_051))).toBe('HTTP');
  });
});

describe('what is spoken with the workloads of a port', () => {
  test.each([
    ['HTTP', 'http1'],
    ['HTTP2', 'http2'],
    ['TLS', 'http1'],
    ['UNSUPPORTED', 'downstream'],
  ] as const)('%s: %s', (protocol, version) => {
    expect(httpVersionOf({ protocol })).toBe(version);
  });

  test('nobody knows who has not declared a port and only listens', () => {
    expect(httpVersionOf({ protocol: 'HTTP', isImplicit: true })).toBe('downstream');
  });
});

describe('ports of a service', () => {
  const service = {
    hostname: 'a.default.svc.cluster.local',
    name: 'a',
    namespace: 'default',
    ports: ['http', 'tcp-db', 'grpc', '', 'udp', 'https'].map((name, i) => ({
      name,
      number: 80 + i,
      protocol: protocolOf(name),
      targetPort: 80 + i,
    })),
    isMeshExternal: false,
    selector: undefined,
    endpoints: [],
  };

  test('UDP carries no connections', () => {
    expect(connectionPorts(service).map(({ number }) => number)).toEqual([80, 81, 82, 83, 85]);
  });

  test('what is not declared is HTTP where requests are addressed to a sidecar', () => {
    expect(httpPorts(service).map(({ number }) => number)).toEqual([80, 82, 83]);
  });
});

test('hostnames are lower case', () => {
  expect(clusterHostname('Reviews', 'default')).toBe('reviews.default.svc.cluster.local');
});
