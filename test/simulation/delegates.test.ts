import { describe, expect, test } from 'vitest';
import type { SimulatedRequest } from './simulated-proxy.ts';
import { Simulation } from './simulation.ts';
import { reviewsSubsets, reviewsV1AndV2, virtualService } from './yaml.ts';

const to = (subset: string): string => `route: [{ destination: { host: reviews, subset: ${subset} } }]`;

/** A VirtualService without hosts. */
function delegate(http: string, { name = 'part', namespace = 'default', exportTo = '["*"]' } = {}): string {
  return `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  exportTo: ${exportTo}
  http: ${http}
`;
}

/** `reviews`, where requests below /a go through the delegate and all others to v1. */
function root(rest = '', reference = '{ name: part }'): string {
  const first = `{ match: [{ uri: { prefix: /a } }], delegate: ${reference}${rest} }`;
  return virtualService('reviews', `[${first}, { ${to('v1')} }]`);
}

async function start(yaml: string): Promise<(request: Partial<SimulatedRequest>) => string | undefined> {
  const mesh = await Simulation.start({ yaml: reviewsSubsets + yaml, workloads: reviewsV1AndV2 });
  return (request) => mesh.call({ host: 'reviews', ...request }).version;
}

describe('S31: a delegate', () => {
  test("S31: rules the requests that match the root's rule", async () => {
    const version = await start(root() + delegate(`[{ ${to('v2')} }]`));
    expect([version({ path: '/a/b' }), version({ path: '/b' })]).toEqual(['v2', 'v1']);
  });

  test("S31: conditions of both must hold, and the delegate's rules keep their order", async () => {
    const inner = `[{ match: [{ uri: { prefix: /a/x }, headers: { x-user: { exact: ann } } }], ${to('v2')} }, { ${to('v1')} }]`;
    const version = await start(root() + delegate(inner));
    const ann = { headers: { 'x-user': 'ann' } };
    expect(version({ path: '/a/x', ...ann })).toBe('v2');
    expect(version({ path: '/a/x' })).toBe('v1');
    expect(version({ path: '/a/y', ...ann })).toBe('v1');
  });

  test("S31: a rule that matches more than the root's is dropped", async () => {
    for (const uri of ['{ prefix: / }', '{ exact: /b }', '{ regex: "/a.*" }']) {
      const version = await start(root() + delegate(`[{ match: [{ uri: ${uri} }], ${to('v2')} }]`));
      expect(version({ path: '/a' })).toBe('v1');
    }
  });

  test('S31: different ignoreUriCase is a conflict', async () => {
    const inner = `[{ match: [{ uri: { prefix: /a }, ignoreUriCase: true }], ${to('v2')} }]`;
    expect((await start(root() + delegate(inner)))({ path: '/a' })).toBe('v1');
  });

  test('S31: inherits what it does not say itself', async () => {
    const yaml = root(', rewrite: { uri: /z }, headers: { request: { set: { x-a: root } } }');
    const inheriting = await Simulation.start({
      yaml: reviewsSubsets + yaml + delegate(`[{ ${to('v2')} }]`),
      workloads: reviewsV1AndV2,
    });
    const inherited = inheriting.call({ host: 'reviews', path: '/a' });
    expect([inherited.upstreamPath, inherited.upstreamHeaders['x-a']]).toEqual(['/z', 'root']);
    const own = `[{ ${to('v2')}, rewrite: { uri: /y }, headers: { request: { set: { x-b: own } } } }]`;
    const overriding = await Simulation.start({
      yaml: reviewsSubsets + yaml + delegate(own),
      workloads: reviewsV1AndV2,
    });
    const landing = overriding.call({ host: 'reviews', path: '/a' });
    expect([landing.upstreamPath, landing.upstreamHeaders['x-a'], landing.upstreamHeaders['x-b']]).toEqual([
      '/y',
      undefined,
      'own',
    ]);
  });

  test('S31: that answers itself does not inherit a rewrite', async () => {
    const yaml = root(', rewrite: { uri: /z }') + delegate('[{ redirect: { authority: b } }]');
    const mesh = await Simulation.start({ yaml: reviewsSubsets + yaml, workloads: reviewsV1AndV2 });
    expect(mesh.call({ host: 'reviews', path: '/a' }).responseHeaders['location']).toBe('http://b/a');
  });

  test('S31: may live elsewhere, where its short names are meant (S17)', async () => {
    const yaml =
      root('', '{ name: part, namespace: shop }') +
      delegate('[{ route: [{ destination: { host: cart } }] }]', { namespace: 'shop' });
    const workloads = [...reviewsV1AndV2, { service: 'cart', namespace: 'shop' }];
    const mesh = await Simulation.start({ yaml: reviewsSubsets + yaml, workloads });
    expect(mesh.call({ host: 'reviews', path: '/a' }).cluster).toBe('outbound|80||cart.shop.svc.cluster.local');
  });

  test('S31: that is not there, or not exported to the root, is as if its rule were not there', async () => {
    expect((await start(root()))({ path: '/a' })).toBe('v1');
    const reference = '{ name: part, namespace: shop }';
    const hidden = delegate(`[{ ${to('v2')} }]`, { namespace: 'shop', exportTo: '["."]' });
    expect((await start(root('', reference) + hidden))({ path: '/a' })).toBe('v1');
  });

  test('S31: names of both name the route', async () => {
    const yaml = root(', name: outer') + delegate(`[{ name: inner, ${to('v2')} }]`);
    const mesh = await Simulation.start({ yaml: reviewsSubsets + yaml, workloads: reviewsV1AndV2 });
    expect(mesh.call({ host: 'reviews', path: '/a' }).route).toBe('outer-inner');
  });
});

describe('exportTo', () => {
  const rules = (exportTo: string, namespace: string, subset: string): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: to-${subset}, namespace: ${namespace} }
spec:
  hosts: [reviews.default.svc.cluster.local]
  exportTo: ${exportTo}
  http: [{ route: [{ destination: { host: reviews.default.svc.cluster.local, subset: ${subset} } }] }]
`;

  async function versionFor(namespace: string, yaml: string): Promise<string | undefined> {
    const mesh = await Simulation.start({
      yaml: reviewsSubsets + yaml,
      workloads: reviewsV1AndV2,
      client: { namespace },
    });
    return mesh.call({ host: 'reviews.default' }).version;
  }

  test('a VirtualService rules the clients of the namespaces that it is exported to', async () => {
    const yaml = rules('[".", other]', 'web', 'v2') + rules('["*"]', 'default', 'v1');
    expect(await versionFor('web', yaml)).toBe('v2');
    expect(await versionFor('other', yaml)).toBe('v2');
    expect(await versionFor('third', yaml)).toBe('v1');
  });
});
