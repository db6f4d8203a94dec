import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { kubernetesService, reviewsSubsets, reviewsV1AndV2, virtualService } from './yaml.ts';

const clusterOf = (port: number, hostname: string): string => `outbound|${port}||${hostname}`;

describe('S16: the port of a destination', () => {
  const several = kubernetesService('several', '[{ name: http-a, port: 81 }, { name: http-b, port: 82 }]');
  const single = kubernetesService('single', '[{ name: http, port: 9080 }]');

  async function clusterFor(destination: string, host: string): Promise<string | undefined> {
    const rules = virtualService('several', `[{ route: [{ destination: ${destination} }] }]`);
    const mesh = await Simulation.start({
      yaml: several + single + rules,
      workloads: [{ service: 'several' }, { service: 'single' }],
    });
    return mesh.call({ host }).cluster;
  }

  test('is the one that it names', async () => {
    const destination = '{ host: several, port: { number: 82 } }';
    expect(await clusterFor(destination, 'several:81')).toBe(clusterOf(82, 'several.default.svc.cluster.local'));
  });

  test("is the service's only port when it names none", async () => {
    expect(await clusterFor('{ host: single }', 'several:81')).toBe(
      clusterOf(9080, 'single.default.svc.cluster.local'),
    );
  });

  test('is the port of the request when it names none and the service has several', async () => {
    const host = 'several.default.svc.cluster.local';
    expect(await clusterFor('{ host: several }', 'several:81')).toBe(clusterOf(81, host));
    expect(await clusterFor('{ host: several }', 'several:82')).toBe(clusterOf(82, host));
  });
});

describe('S17: short names', () => {
  const workloads = [
    { service: 'reviews', namespace: 'shop', version: 'shop' },
    { service: 'reviews', namespace: 'default', version: 'default' },
  ];

  test('mean the namespace of the rule, in hosts and in destinations, not that of the client', async () => {
    const rules = virtualService('front', '[{ route: [{ destination: { host: reviews } }] }]', { namespace: 'shop' });
    const mesh = await Simulation.start({ yaml: rules, workloads });
    expect(mesh.call({ host: 'front.shop' })).toMatchObject({ version: 'shop' });
    expect(mesh.call({ host: 'front' })).toMatchObject({ status: 404 });
  });

  test('a name with a dot is left as it is', async () => {
    const rules = (host: string): string =>
      virtualService('front.shop.svc.cluster.local', `[{ route: [{ destination: { host: ${host} } }] }]`, {
        namespace: 'shop',
      });
    const full = await Simulation.start({ yaml: rules('reviews.default.svc.cluster.local'), workloads });
    expect(full.call({ host: 'front.shop' }).version).toBe('default');
    const half = await Simulation.start({ yaml: rules('reviews.default'), workloads });
    expect(half.call({ host: 'front.shop' })).toMatchObject({ status: 503, flag: 'NC' });
  });
});

describe('S18: a service is reached under all its names', () => {
  const names = ['reviews', 'reviews.default', 'reviews.default.svc', 'reviews.default.svc.cluster.local'];
  const spellings = [...names, 'reviews.default.svc.cluster.local.', 'Reviews.DEFAULT'];

  test.each([...spellings, ...spellings.map((name) => `${name}:80`)])('%s', async (host) => {
    const mesh = await Simulation.start({ workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host })).toMatchObject({ status: 200, service: 'reviews' });
  });

  test('the bare name belongs to clients of its own namespace only', async () => {
    const mesh = await Simulation.start({ workloads: [{ service: 'reviews' }], client: { namespace: 'shop' } });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 404, flag: 'NR' });
    expect(mesh.call({ host: 'reviews.default' }).status).toBe(200);
  });

  test('a port that the service does not have is no name of it', async () => {
    const mesh = await Simulation.start({ workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host: 'reviews:81' })).toMatchObject({ status: 404, flag: 'NR' });
  });
});

describe('S19: of several hosts that fit', () => {
  const entry = (host: string, address: string): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: e${address.replaceAll('.', '-')} }
spec:
  hosts: ["${host}"]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: ${address} }]
`;

  test('the exact name wins, then the longest wildcard', async () => {
    const mesh = await Simulation.start({
      yaml: entry('*.com', '10.9.0.1') + entry('*.foo.com', '10.9.0.2') + entry('a.foo.com', '10.9.0.3'),
    });
    const endpoint = (host: string): string | undefined => mesh.call({ host }).endpoint;
    expect(endpoint('a.foo.com')).toBe('10.9.0.3:80');
    expect(endpoint('b.foo.com')).toBe('10.9.0.2:80');
    expect(endpoint('x.b.foo.com')).toBe('10.9.0.2:80');
    expect(endpoint('foo.com')).toBe('10.9.0.1:80');
  });

  test('a wildcard stands for at least one character', async () => {
    const mesh = await Simulation.start({ yaml: entry('*.foo.com', '10.9.0.2') });
    expect(mesh.call({ host: 'foo.com' })).toMatchObject({ status: 503, flag: 'DF', route: 'allow_any' });
    expect(mesh.call({ host: '.foo.com' })).toMatchObject({ status: 503, flag: 'DF', route: 'allow_any' });
  });

  test('rules for a wildcard govern the services under it that have no rules of their own', async () => {
    const mesh = await Simulation.start({
      yaml:
        entry('a.foo.com', '10.9.0.1') +
        entry('b.foo.com', '10.9.0.2') +
        virtualService('*.foo.com', '[{ route: [{ destination: { host: a.foo.com } }] }]'),
    });
    expect(mesh.call({ host: 'b.foo.com' }).endpoint).toBe('10.9.0.1:80');
  });
});

describe('S20: without a VirtualService', () => {
  test('requests go to all instances of the service, whatever their version', async () => {
    const mesh = await Simulation.start({ yaml: reviewsSubsets, workloads: reviewsV1AndV2 });
    const { v1 = 0, v2 = 0 } = mesh.share(1_000, { host: 'reviews' });
    expect(v1 + v2).toBe(1_000);
    expect(Math.min(v1, v2)).toBeGreaterThan(400);
  });

  test('there is no timeout', async () => {
    const mesh = await Simulation.start({ workloads: [{ service: 'reviews', behaviour: 'is silent' }] });
    expect(() => mesh.call({ host: 'reviews' })).toThrow('nobody answers');
  });
});

describe('a workload that a WorkloadEntry describes', () => {
  test('is selected by the labels of a Service, at the port it names', async () => {
    const entry = `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: vm-1 }
spec: { address: 10.9.0.7, labels: { app: legacy }, ports: { http: 8081 } }
`;
    const mesh = await Simulation.start({ yaml: kubernetesService('legacy', '[{ name: http, port: 80 }]') + entry });
    expect(mesh.call({ host: 'legacy' }).endpoint).toBe('10.9.0.7:8081');
  });
});
