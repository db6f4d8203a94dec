import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

const host = 'reviews.shop.svc.cluster.local';
const workloads = [{ service: 'reviews', namespace: 'shop' }];
const clusterName = `outbound|80||${host}`;

/** `exportTo`: the value of the annotation; the namespace is `shop`. */
const reviews = (exportTo: string): string => `
---
apiVersion: v1
kind: Service
metadata:
  name: reviews
  namespace: shop
  annotations: { networking.istio.io/exportTo: "${exportTo}" }
spec: { ports: [{ name: http, port: 80 }] }
`;

const entry = (exportTo: string, spec = 'resolution: STATIC, endpoints: [{ address: 10.0.0.1 }]'): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: shop }
spec: { hosts: [api.internal.svc], exportTo: ${exportTo}, ports: [{ number: 80, name: http, protocol: HTTP }], ${spec} }
`;

const startAs = (namespace: string, yaml: string): Promise<Simulation> =>
  Simulation.start({ yaml, workloads, client: { namespace } });

/** The clients' namespaces in which `called` is reached. */
async function reachedFrom(called: string, yaml: string): Promise<string[]> {
  const reached: string[] = [];
  for (const namespace of ['shop', 'web', 'other']) {
    const { status, flag } = (await startAs(namespace, yaml)).call({ host: called });
    if (status === 200) reached.push(namespace);
    else expect({ status, flag }).toEqual({ status: 404, flag: 'NR' });
  }
  return reached;
}

describe('exportTo says which namespaces know a service; others find no route', () => {
  test.each([
    ['*', ['shop', 'web', 'other']],
    ['', ['shop', 'web', 'other']],
    ['.', ['shop']],
    ['web', ['web']],
    ['., web', ['shop', 'web']],
    ['shop,other', ['shop', 'other']],
    ['elsewhere', []],
    ['~', []],
  ])('as the annotation "%s" of a Service', async (exportTo, expected) => {
    expect(await reachedFrom(host, reviews(exportTo))).toEqual(expected);
  });

  test.each([
    ['["*"]', ['shop', 'web', 'other']],
    ['[]', ['shop', 'web', 'other']],
    ['["."]', ['shop']],
    ['[web]', ['web']],
    ['[".", web]', ['shop', 'web']],
    ['["~"]', []],
  ])('as the field %s of a ServiceEntry', async (exportTo, expected) => {
    expect(await reachedFrom('api.internal.svc', entry(exportTo))).toEqual(expected);
  });

  test('a service that workloads register and nobody declares is known to all', async () => {
    expect(await reachedFrom(host, '')).toEqual(['shop', 'web', 'other']);
  });
});

describe('a service that is not exported to the client', () => {
  const front = virtualService('front', `[{ route: [{ destination: { host: ${host} } }] }]`, { namespace: 'web' });

  test('has no cluster there, and one where it is exported', async () => {
    const statOf = (mesh: Simulation): number | undefined => mesh.stat(`cluster.${clusterName}.membership_total`);
    expect(statOf(await startAs('shop', reviews('.')))).toBe(1);
    expect(statOf(await startAs('web', reviews('.')))).toBeUndefined();
  });

  test('S33: is an unknown destination of rules: 503, flag NC', async () => {
    expect((await startAs('web', front + reviews('web'))).call({ host: 'front' })).toMatchObject({ status: 200 });
    const hidden = (await startAs('web', front + reviews('.'))).call({ host: 'front' });
    expect(hidden).toMatchObject({ status: 503, flag: 'NC', attempts: [] });
  });

  test('stays unknown when a DestinationRule has subsets for it', async () => {
    const rules = virtualService('front', `[{ route: [{ destination: { host: ${host}, subset: v1 } }] }]`, {
      namespace: 'web',
    });
    const subsets = destinationRule(host, 'subsets: [{ name: v1, labels: { version: v1 } }]', { namespace: 'shop' });
    const seen = await startAs('web', rules + subsets + reviews('web'));
    expect(seen.call({ host: 'front' })).toMatchObject({ status: 200, version: 'v1' });
    const hidden = await startAs('web', rules + subsets + reviews('.'));
    expect(hidden.call({ host: 'front' })).toMatchObject({ status: 503, flag: 'NC' });
  });

  test('leaves its name to rules, as every name that no service has', async () => {
    const teapot = virtualService(host, '[{ directResponse: { status: 418 } }]', { namespace: 'web' });
    const all = virtualService('*.shop.svc.cluster.local', '[{ directResponse: { status: 418 } }]');
    for (const rules of [teapot, all]) {
      expect((await startAs('web', rules + reviews('.'))).call({ host })).toMatchObject({ status: 418 });
    }
  });

  test('is a host of the network there, where its name can be one', async () => {
    const external = entry('["."]', 'resolution: DNS').replace('api.internal.svc', 'api.example.com');
    const clusterFrom = async (namespace: string): Promise<string | undefined> => {
      const dns = { 'api.example.com': ['192.0.2.1'] };
      const mesh = await Simulation.start({ yaml: external, dns, client: { namespace } });
      return mesh.call({ host: 'api.example.com' }).cluster;
    };
    expect(await clusterFrom('shop')).toBe('outbound|80||api.example.com');
    expect(await clusterFrom('web')).toBe('PassthroughCluster');
  });

  test('S18: leaves its short name to nobody else than the service of the client', async () => {
    const mesh = await Simulation.start({
      yaml: reviews('.'),
      workloads: [...workloads, { service: 'reviews', namespace: 'web', version: 'own' }],
      client: { namespace: 'web' },
    });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 200, version: 'own' });
    expect(mesh.call({ host: 'reviews.shop.svc' })).toMatchObject({ status: 404, flag: 'NR' });
  });
});

test('what exportTo says anew is in force with the next push', async () => {
  const mesh = await startAs('web', reviews('web'));
  expect(mesh.call({ host })).toMatchObject({ status: 200 });
  await mesh.apply(reviews('.'));
  expect(mesh.call({ host })).toMatchObject({ status: 404 });
  await mesh.apply(reviews('*'));
  expect(mesh.call({ host })).toMatchObject({ status: 200 });
});

test('hostnames are unique over the mesh: a hidden Service hides an entry of its name too', async () => {
  const twin = entry('["*"]').replace('api.internal.svc', host);
  expect(await reachedFrom(host, twin + reviews('.'))).toEqual(['shop']);
});
