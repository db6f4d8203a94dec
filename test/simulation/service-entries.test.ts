import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

const registryOnly = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } as const;

/** With one HTTP port, 80, unless told otherwise. */
const entry = (
  spec: string,
  { name = 'entry', ports = '[{ number: 80, name: http, protocol: HTTP }]' } = {},
): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { ports: ${ports}, ${spec} }
`;

describe('resolution DNS', () => {
  test('without endpoints looks the host itself up, all of its addresses', async () => {
    const mesh = await Simulation.start({
      yaml: entry('hosts: [api.example.com], resolution: DNS'),
      dns: { 'api.example.com': ['192.0.2.1', '192.0.2.2'] },
    });
    const endpoints = Array.from({ length: 50 }, () => mesh.call({ host: 'api.example.com' }).endpoint);
    expect(new Set(endpoints)).toEqual(new Set(['192.0.2.1:80', '192.0.2.2:80']));
  });

  test('looks up the names of its endpoints, at their ports, beside addresses', async () => {
    const endpoints = '[{ address: a.example.net, ports: { http: 8080 } }, { address: 192.0.2.9 }]';
    const mesh = await Simulation.start({
      yaml: entry(`hosts: [api.example.com], resolution: DNS, endpoints: ${endpoints}`),
      dns: { 'a.example.net': ['192.0.2.1'] },
    });
    const landed = Array.from({ length: 50 }, () => mesh.call({ host: 'api.example.com' }).endpoint);
    expect(new Set(landed)).toEqual(new Set(['192.0.2.1:8080', '192.0.2.9:80']));
  });

  test('goes to the target port of the port', async () => {
    const mesh = await Simulation.start({
      yaml: entry('hosts: [api.example.com], resolution: DNS', {
        ports: '[{ number: 80, name: http, protocol: HTTP, targetPort: 8443 }]',
      }),
      dns: { 'api.example.com': ['192.0.2.1'] },
    });
    expect(mesh.call({ host: 'api.example.com' }).endpoint).toBe('192.0.2.1:8443');
  });

  test('a subset takes the endpoints that have its labels', async () => {
    const endpoints = '[{ address: a.example.net, labels: { v: a } }, { address: b.example.net, labels: { v: b } }]';
    const mesh = await Simulation.start({
      yaml:
        entry(`hosts: [api.example.com], resolution: DNS, endpoints: ${endpoints}`) +
        destinationRule('api.example.com', 'subsets: [{ name: b, labels: { v: b } }]') +
        virtualService('api.example.com', '[{ route: [{ destination: { host: api.example.com, subset: b } }] }]'),
      dns: { 'a.example.net': ['192.0.2.1'], 'b.example.net': ['192.0.2.2'] },
    });
    expect(mesh.share(20, { host: 'api.example.com' })).toEqual({ '-': 20 });
    expect(mesh.call({ host: 'api.example.com' }).endpoint).toBe('192.0.2.2:80');
  });

  test('localities of its endpoints are distributed as the rule says, for the place of the client', async () => {
    const endpoints =
      '[{ address: a.example.net, locality: r1/a }, { address: b.example.net, locality: r1/b }, { address: c.example.net, locality: r2/a }]';
    const distribute = '[{ from: "r1/*", to: { "r1/b": 100 } }, { from: "r2/*", to: { "r2/a": 100 } }]';
    const endpointFor = async (region: string) => {
      const mesh = await Simulation.start({
        yaml:
          entry(`hosts: [api.example.com], resolution: DNS, endpoints: ${endpoints}`) +
          destinationRule(
            'api.example.com',
            `trafficPolicy: { loadBalancer: { localityLbSetting: { distribute: ${distribute} } } }`,
          ),
        dns: { 'a.example.net': ['192.0.2.1'], 'b.example.net': ['192.0.2.2'], 'c.example.net': ['192.0.2.3'] },
        client: { locality: { region, zone: 'a', subZone: '' } },
      });
      return Array.from({ length: 20 }, () => mesh.call({ host: 'api.example.com' }).endpoint);
    };
    expect(new Set(await endpointFor('r1'))).toEqual(new Set(['192.0.2.2:80']));
    expect(new Set(await endpointFor('r2'))).toEqual(new Set(['192.0.2.3:80']));
  });

  test('a name that cannot be resolved is 503, flag UH, and the reason names it', async () => {
    const mesh = await Simulation.start({ yaml: entry('hosts: [api.example.com], resolution: DNS') });
    const { status, flag, responseHeaders } = mesh.call({ host: 'api.example.com' });
    expect({ status, flag }).toEqual({ status: 503, flag: 'UH' });
    expect(responseHeaders['x-heddle-reason']).toMatch(/api\.example\.com cannot be resolved \(ENOTFOUND\)/);
  });

  test('the caller is named to hosts inside the mesh only', async () => {
    const dns = { 'api.example.com': ['192.0.2.1'] };
    const callerSeenBy = async (location: string) => {
      const yaml = entry(`hosts: [api.example.com], resolution: DNS, location: ${location}`);
      const mesh = await Simulation.start({ yaml, dns });
      return 'x-envoy-peer-metadata' in mesh.call({ host: 'api.example.com' }).upstreamHeaders;
    };
    expect(await callerSeenBy('MESH_EXTERNAL')).toBe(false);
    expect(await callerSeenBy('MESH_INTERNAL')).toBe(true);
  });
});

test.each([
  [60_000, {}],
  [5_000, { dnsRefreshRate: '5s' }],
])('names are looked up again after %i ms with the mesh config %j', async (refreshMs, meshConfig) => {
  const dns: Record<string, string[]> = { 'api.example.com': ['192.0.2.1'] };
  const yaml = entry('hosts: [api.example.com], resolution: DNS');
  const mesh = await Simulation.start({ yaml, dns, meshConfig });
  dns['api.example.com'] = ['192.0.2.2'];
  mesh.clock.advance(refreshMs - 1_000);
  expect(mesh.call({ host: 'api.example.com' }).endpoint).toBe('192.0.2.1:80');
  mesh.clock.advance(1_000);
  expect(mesh.call({ host: 'api.example.com' }).endpoint).toBe('192.0.2.2:80');
});

test('resolution DNS_ROUND_ROBIN uses one address of the name at a time', async () => {
  const mesh = await Simulation.start({
    yaml: entry('hosts: [api.example.com], resolution: DNS_ROUND_ROBIN'),
    dns: { 'api.example.com': ['192.0.2.1', '192.0.2.2'] },
  });
  const landed = Array.from({ length: 20 }, () => mesh.call({ host: 'api.example.com' }).endpoint);
  expect(new Set(landed).size).toBe(1);
});

describe.each(['NONE', 'DYNAMIC_DNS'])('resolution %s: a declared host says itself where it is', (resolution) => {
  const dns = { 'a.example.com': ['192.0.2.1'], 'a.example.org': ['192.0.2.2'] };
  const yaml = entry(`hosts: ["*.example.com"], resolution: ${resolution}`);

  test('under a wildcard, as its own service and not as the mesh treats strangers', async () => {
    const mesh = await Simulation.start({ yaml, dns, meshConfig: registryOnly });
    const cluster = 'outbound|80||*.example.com';
    expect(mesh.call({ host: 'a.example.com' })).toMatchObject({ status: 200, endpoint: '192.0.2.1:80', cluster });
    expect(mesh.call({ host: 'b.example.com' })).toMatchObject({ status: 503, flag: 'DF' });
    expect(mesh.call({ host: 'a.example.org' }).status).toBe(502);
    expect(mesh.call({ host: 'a.example.com:8080' }).status).toBe(502);
  });

  test('at another port than 80 only requests that name the port are meant', async () => {
    const ports = '[{ number: 8080, name: http, protocol: HTTP }]';
    const mesh = await Simulation.start({
      yaml: entry(`hosts: ["*.example.com"], resolution: ${resolution}`, { ports }),
      dns,
      meshConfig: registryOnly,
    });
    expect(mesh.call({ host: 'a.example.com:8080' }).endpoint).toBe('192.0.2.1:8080');
    expect(mesh.call({ host: 'a.example.com' }).status).toBe(502);
  });

  test('rules of a VirtualService for the wildcard hold', async () => {
    const rules = virtualService(
      '*.example.com',
      '[{ match: [{ uri: { prefix: /old } }], directResponse: { status: 410 } }, { route: [{ destination: { host: "*.example.com" } }] }]',
    );
    const mesh = await Simulation.start({ yaml: yaml + rules, dns });
    expect(mesh.call({ host: 'a.example.com', path: '/old' }).status).toBe(410);
    expect(mesh.call({ host: 'a.example.com' }).endpoint).toBe('192.0.2.1:80');
  });
});

test('resolution NONE is the default', async () => {
  const mesh = await Simulation.start({
    yaml: entry('hosts: [api.example.com]'),
    dns: { 'api.example.com': ['192.0.2.1'] },
    meshConfig: registryOnly,
  });
  expect(mesh.call({ host: 'api.example.com' }).endpoint).toBe('192.0.2.1:80');
});

test('a host of the network without a dot is reached when it is declared', async () => {
  const mesh = await Simulation.start({
    yaml: entry('hosts: [database], resolution: DNS'),
    dns: { database: ['192.0.2.1'] },
  });
  expect(mesh.call({ host: 'database' }).endpoint).toBe('192.0.2.1:80');
});

test('loadBalancer PASSTHROUGH: a request goes to the address it names, not to an endpoint of the service', async () => {
  const mesh = await Simulation.start({
    yaml:
      entry('hosts: [api.example.com], resolution: STATIC, endpoints: [{ address: 192.0.2.1 }]') +
      destinationRule('api.example.com', 'trafficPolicy: { loadBalancer: { simple: PASSTHROUGH } }'),
    dns: { 'api.example.com': ['198.51.100.1'] },
  });
  expect(mesh.call({ host: 'api.example.com' }).endpoint).toBe('198.51.100.1:80');
});
