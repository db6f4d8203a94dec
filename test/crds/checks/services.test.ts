import { describe, expect, it } from 'vitest';
import { errorsOf, resource, service, serviceEntry, warningsOf } from '../support.ts';

const workloadEntry = (spec: object): object => resource('WorkloadEntry', { address: '10.0.0.1', ...spec });
const http = { number: 80, name: 'http', protocol: 'HTTP' };

describe('a ServiceEntry', () => {
  it.each([
    ['no hosts', { hosts: [] }, 'spec.hosts: must have at least one host'],
    [
      'a bad address',
      { addresses: ['10.0.0.256'] },
      'spec.addresses[0]: must be an IP address or a CIDR block, got "10.0.0.256"',
    ],
    ['a port twice', { ports: [http, { ...http, name: 'other' }] }, 'spec.ports[1].number: repeats 80'],
    ['a port name twice', { ports: [http, { ...http, number: 81 }] }, 'spec.ports[1].name: repeats "http"'],
    [
      'a port name with a dot',
      { ports: [{ ...http, name: 'a.b' }] },
      'spec.ports[0].name: must be a DNS label (letters, digits and hyphens, at most 63 characters), got "a.b"',
    ],
    ['port 70000', { ports: [{ ...http, number: 70_000 }] }, 'spec.ports[0].number: must be <= 65535, got 70000'],
    ['port 0', { ports: [{ ...http, number: 0 }] }, 'spec.ports[0].number: must be >= 1, got 0'],
    [
      'an unknown protocol',
      { ports: [{ ...http, protocol: 'SPDY' }] },
      'spec.ports[0].protocol: must be a protocol such as HTTP or TCP, got "SPDY"',
    ],
    [
      'several hosts on a TCP port',
      { hosts: ['a.com', 'b.com'], addresses: ['10.0.0.1'], ports: [{ ...http, protocol: 'TCP' }] },
      'spec.ports[0].protocol: must be HTTP or TLS when there are several hosts, got "TCP"',
    ],
    [
      'endpoints without resolution',
      { resolution: 'NONE', endpoints: [{ address: '10.0.0.1' }] },
      'spec.endpoints: must not be given when resolution is NONE',
    ],
    [
      'a block of addresses by DNS',
      { resolution: 'DNS', addresses: ['10.0.0.0/8'] },
      'spec.addresses: must be single addresses when resolution is DNS',
    ],
    [
      'two endpoints by round robin DNS',
      { resolution: 'DNS_ROUND_ROBIN', endpoints: [{ address: 'a.com' }, { address: 'b.com' }] },
      'spec.endpoints: must have at most one endpoint when resolution is DNS_ROUND_ROBIN, got 2',
    ],
    [
      'a plain host by dynamic DNS',
      { resolution: 'DYNAMIC_DNS' },
      'spec.hosts[0]: must be a wildcard when resolution is DYNAMIC_DNS',
    ],
    [
      'endpoints by dynamic DNS',
      { resolution: 'DYNAMIC_DNS', hosts: ['*.a.com'], endpoints: [{ address: '10.0.0.1' }] },
      'spec.endpoints: must not be given when resolution is DYNAMIC_DNS',
    ],
    [
      'a namespace that can be none',
      { exportTo: ['.', 'a.b'] },
      'spec.exportTo[1]: must be ".", "*", "~" or the name of a namespace, got "a.b"',
    ],
    ['nobody and somebody', { exportTo: ['~', '.'] }, 'spec.exportTo: must have no other entry beside "~"'],
    [
      'an endpoint with ports of a socket',
      { endpoints: [{ address: 'unix:///a', ports: { http: 1 } }] },
      'spec.endpoints[0].ports: must not be given for a unix socket',
    ],
    [
      'a socket for two ports',
      { ports: [http, { ...http, name: 'b', number: 81 }], endpoints: [{ address: 'unix:///a' }] },
      'spec.endpoints[0].address: must not be a unix socket in a service with 2 ports',
    ],
  ])('is refused with %s', (_name, spec, error) => {
    expect(errorsOf(serviceEntry(spec))).toEqual([error]);
  });

  it.each([
    ['a wildcard host', { hosts: ['*.example.com'] }],
    ['a protocol in small letters', { ports: [{ ...http, protocol: 'grpc-web' }] }],
    ['no ports', { ports: [] }],
    ['nobody to see it', { exportTo: ['~'] }],
    [
      'endpoints with a domain by DNS',
      { resolution: 'DNS', endpoints: [{ address: 'a.example.com', ports: { http: 8080 } }] },
    ],
  ])('may have %s', (_name, spec) => {
    expect(errorsOf(serviceEntry(spec))).toEqual([]);
  });

  it('warns of TCP ports that nothing tells apart', () => {
    expect(warningsOf(serviceEntry({ ports: [{ ...http, protocol: 'TCP' }] }))).toEqual([
      'spec.ports[0].protocol: is TCP: connections need spec.addresses to be told apart',
    ]);
  });
});

describe('a WorkloadEntry', () => {
  it.each([
    ['no address', { address: '' }, 'spec.address: is required'],
    ['an address with a space', { address: 'a b' }, 'spec.address: must be an IP address or a domain name, got "a b"'],
    [
      'a directory as socket',
      { address: 'unix:///a/' },
      'spec.address: must be an absolute path to a socket, got "unix:///a/"',
    ],
    [
      'a port name with a space',
      { ports: { 'a b': 80 } },
      'spec.ports["a b"]: must be a DNS label (letters, digits and hyphens, at most 63 characters), got "a b"',
    ],
    ['port 0', { ports: { http: 0 } }, 'spec.ports.http: must be >= 1, got 0'],
    ['a negative weight', { weight: -1 }, 'spec.weight: must be >= 0, got -1'],
    [
      'a bad label',
      { labels: { 'a/b/c': 'd' } },
      'spec.labels["a/b/c"]: must be a label key such as app or example.com/app, got "a/b/c"',
    ],
  ])('is refused with %s', (_name, spec, error) => {
    expect(errorsOf(workloadEntry(spec))).toEqual([error]);
  });

  it.each(['10.0.0.1', '::1', 'a.example.com', 'unix:///tmp/socket', 'unix://@abstract'])(
    'may have the address %s',
    (address) => {
      expect(errorsOf(workloadEntry({ address }))).toEqual([]);
    },
  );
});

describe('a Service', () => {
  it.each([
    ['no ports', { ports: [] }, 'spec.ports: is required'],
    ['port 70000', { ports: [{ port: 70_000 }] }, 'spec.ports[0].port: must be <= 65535, got 70000'],
    [
      'target port 70000',
      { ports: [{ port: 80, targetPort: 70_000 }] },
      'spec.ports[0].targetPort: must be between 1 and 65535, got 70000',
    ],
    [
      'a target port that is a list',
      { ports: [{ port: 80, targetPort: [] }] },
      'spec.ports[0].targetPort: must be a port number or the name of a port, got []',
    ],
    [
      'several ports without names',
      { ports: [{ port: 80 }, { port: 81, name: 'b' }] },
      'spec.ports[0].name: is required when there are several ports',
    ],
    [
      'a port name in capitals',
      { ports: [{ port: 80, name: 'HTTP' }] },
      'spec.ports[0].name: must be lower case, got "HTTP"',
    ],
    [
      'a port twice',
      {
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b' },
        ],
      },
      'spec.ports[1].port: repeats 80',
    ],
    [
      'a name twice',
      {
        ports: [
          { port: 80, name: 'a' },
          { port: 81, name: 'a' },
        ],
      },
      'spec.ports[1].name: repeats "a"',
    ],
    [
      'a bad selector',
      { selector: { app: '*' } },
      `spec.selector.app: must be a label value (letters, digits, '-', '_' and '.'), got "*"`,
    ],
    ['a bad address', { clusterIP: 'nowhere' }, 'spec.clusterIP: must be an IP address or None, got "nowhere"'],
    ['no external name', { type: 'ExternalName' }, 'spec.externalName: is required'],
  ])('is refused with %s', (_name, spec, error) => {
    expect(errorsOf(service(spec))).toEqual([error]);
  });

  it.each([
    [
      'one port number in two protocols',
      {
        ports: [
          { port: 53, name: 'a', protocol: 'TCP' },
          { port: 53, name: 'b', protocol: 'UDP' },
        ],
      },
    ],
    ['a named target port', { ports: [{ port: 80, targetPort: 'http' }] }],
    ['no address and no ports', { clusterIP: 'None', ports: [] }],
    ['an external name', { type: 'ExternalName', externalName: 'a.example.com', ports: [] }],
  ])('may have %s', (_name, spec) => {
    expect(errorsOf(service(spec))).toEqual([]);
  });

  const exported = (exportTo: string): object => {
    const annotations = { 'networking.istio.io/exportTo': exportTo };
    return { ...service({}), metadata: { name: 'a', namespace: 'shop', annotations } };
  };

  it.each([
    ['b_c', 'must be ".", "*", "~" or the name of a namespace, got "b_c"'],
    ['a,,b', 'must be ".", "*", "~" or the name of a namespace, got ""'],
    ['., shop', 'repeats "shop"'],
    ['*,web', 'must have no other entry beside "*"'],
    ['~,web', 'must have no other entry beside "~"'],
  ])('is refused when it is exported to "%s"', (exportTo, error) => {
    expect(errorsOf(exported(exportTo))).toEqual([`metadata.annotations["networking.istio.io/exportTo"]: ${error}`]);
  });

  it.each(['', '*', '.', '~', '., web', 'web,api'])('may be exported to "%s"', (exportTo) => {
    expect(errorsOf(exported(exportTo))).toEqual([]);
  });
});
