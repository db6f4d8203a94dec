/** What a gateway does with requests: its Gateways and the VirtualServices that are bound to them. */
import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';

const workloads = [
  { service: 'web', version: 'v1' },
  { service: 'cart', version: 'cart' },
  { service: 'admin', version: 'admin', namespace: 'ops' },
];

const edge = { type: 'router', labels: { gateway: 'edge' }, namespace: 'edge' } as const;

interface Named {
  readonly name?: string;
  readonly namespace?: string;
}

const gateway = (
  servers: string,
  { name = 'front', namespace = 'default' }: Named = {},
  selector = 'gateway: edge',
) => `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: ${namespace} }
spec: { selector: { ${selector} }, servers: ${servers} }
`;

const httpServer = (hosts: string, more = ''): string =>
  `{ port: { number: 80, name: http, protocol: HTTP }, hosts: ${hosts}${more} }`;

const rules = (spec: string, { name = 'rules', namespace = 'default' }: Named = {}): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${spec} }
`;

const to = (host: string): string => `route: [{ destination: { host: ${host} } }]`;
const start = (yaml: string, client: object = {}): Promise<Simulation> =>
  Simulation.start({ yaml, workloads, client: { ...edge, ...client } });

const all = gateway(`[${httpServer('["*"]')}]`);
const shop = rules(`hosts: [shop.example.com], gateways: [front], http: [{ ${to('web')} }]`);

describe('a gateway', () => {
  test('sends requests where the rules that are bound to it say, whatever port their Host names', async () => {
    const mesh = await start(all + shop);
    for (const host of ['shop.example.com', 'shop.example.com:8080', 'SHOP.example.com']) {
      expect(mesh.call({ host })).toMatchObject({ status: 200, service: 'web' });
    }
  });

  test('has nothing for hosts that no rule is about, not even services of the mesh', async () => {
    const mesh = await start(all + shop);
    for (const host of ['other.example.com', 'web', 'web.default.svc.cluster.local']) {
      expect(mesh.call({ host })).toMatchObject({ status: 404, flag: 'NR' });
    }
  });

  test('answers 404 while no rules are bound to it', async () => {
    const mesh = await start(all);
    expect(mesh.call({ host: 'shop.example.com' })).toMatchObject({ status: 404, flag: 'NR' });
  });

  test('is told apart by its labels, in whichever namespace the Gateway is', async () => {
    const elsewhere = gateway(`[${httpServer('["*"]')}]`, { namespace: 'shop' });
    const bound = rules(`hosts: [shop.example.com], gateways: [shop/front], http: [{ ${to('web')} }]`);
    expect((await start(elsewhere + bound)).call({ host: 'shop.example.com' }).service).toBe('web');
    await expect(async () =>
      (await start(elsewhere + bound, { labels: { gateway: 'other' } })).call({ host: 'shop.example.com' }),
    ).rejects.toThrow(/no outbound listener/);
    const forAll = gateway(`[${httpServer('["*"]')}]`).replace('selector: { gateway: edge }, ', '');
    expect((await start(forAll + shop, { labels: {} })).call({ host: 'shop.example.com' }).service).toBe('web');
  });

  test('is known by its full name, by its name alone in its own namespace, and by the old form', async () => {
    const serviceFor = async (name: string, namespace = 'default') => {
      const bound = rules(
        `hosts: [shop.example.com], gateways: [${name}], http: [{ ${to('web.default.svc.cluster.local')} }]`,
        { namespace },
      );
      return (await start(all + bound)).call({ host: 'shop.example.com' }).service;
    };
    expect(await serviceFor('default/front', 'shop')).toBe('web');
    expect(await serviceFor('front.default.svc.cluster.local', 'shop')).toBe('web');
    expect(await serviceFor('front', 'shop')).toBeUndefined();
    expect(await serviceFor('mesh')).toBeUndefined();
  });

  test('tells its workloads who calls, and takes what callers say about that from them', async () => {
    const mesh = await start(all + shop);
    const headers = { 'x-envoy-peer-metadata': 'forged', 'x-envoy-max-retries': '99', 'x-heddle-reason': 'forged' };
    const { upstreamHeaders } = mesh.call({ host: 'shop.example.com', headers });
    expect(upstreamHeaders['x-envoy-peer-metadata']).toMatch(/^[\w+/=-]{20,}$/);
    expect(upstreamHeaders).toMatchObject({ 'x-forwarded-proto': 'http', 'x-envoy-external-address': '127.0.0.1' });
    expect(upstreamHeaders).not.toHaveProperty('x-envoy-max-retries');
    expect(upstreamHeaders).not.toHaveProperty('x-heddle-reason');
  });

  test('tells strangers nothing about the mesh when something fails', async () => {
    const missing = rules(`hosts: [shop.example.com], gateways: [front], http: [{ ${to('nobody')} }]`);
    const landed = (await start(all + missing)).call({ host: 'shop.example.com' });
    expect(landed).toMatchObject({ status: 503, flag: 'NC' });
    expect(landed.responseHeaders).not.toHaveProperty('x-heddle-reason');
    expect(landed.responseBody.toString()).toBe('Service Unavailable');
  });

  test('R10: sends paths with escaped slashes back, and refuses names with underscores', async () => {
    const mesh = await start(all + shop);
    const back = mesh.call({ host: 'shop.example.com', path: '/a%2F..%2fb' });
    expect(back).toMatchObject({ status: 307, attempts: [] });
    expect(back.responseHeaders['location']).toBe('/b');
    expect(mesh.call({ host: 'shop.example.com', headers: { x_user: 'root' } })).toMatchObject({ status: 400 });
    expect(mesh.call({ host: 'shop.example.com', path: '//a//b' }).upstreamPath).toBe('/a/b');
  });

  test('believes as many proxies in front of it as it is told to', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.9, 203.0.113.1', 'x-forwarded-proto': 'https' };
    const seenBy = async (trustedProxies: number) =>
      (await start(all + shop, { trustedProxies })).call({ host: 'shop.example.com', headers }).upstreamHeaders;
    expect(await seenBy(0)).toMatchObject({ 'x-envoy-external-address': '127.0.0.1', 'x-forwarded-proto': 'http' });
    expect(await seenBy(2)).toMatchObject({ 'x-envoy-external-address': '203.0.113.9', 'x-forwarded-proto': 'https' });
  });
});

describe('the hosts of a server', () => {
  const served = async (serverHosts: string, ruleHosts: string, host: string, namespace = 'default') => {
    const bound = rules(
      `hosts: ${ruleHosts}, gateways: [default/front], http: [{ ${to('web.default.svc.cluster.local')} }]`,
      { namespace },
    );
    return (await start(gateway(`[${httpServer(serverHosts)}]`) + bound)).call({ host }).status === 200;
  };

  test.each([
    ['[shop.example.com]', '[shop.example.com]', 'shop.example.com', true],
    ['["*.example.com"]', '[shop.example.com]', 'shop.example.com', true],
    ['["*.example.com"]', '[example.com]', 'example.com', false],
    ['["*.example.com"]', '["*"]', 'shop.example.com', true],
    ['["*.example.com"]', '["*"]', 'shop.example.org', false],
    ['["*.example.com"]', '["*.shop.example.com"]', 'a.shop.example.com', true],
    ['["*.example.com"]', '["*.shop.example.com"]', 'a.example.com', false],
    ['[shop.example.com]', '["*.example.com"]', 'shop.example.com', true],
    ['[shop.example.com]', '["*.example.com"]', 'cart.example.com', false],
    ['[shop.example.com]', '[cart.example.com]', 'cart.example.com', false],
    ['["*"]', '["*"]', 'whatever', true],
  ])('%s with rules for %s and a request to %s: %s', async (serverHosts, ruleHosts, host, expected) => {
    expect(await served(serverHosts, ruleHosts, host)).toBe(expected);
  });

  test('may be kept for the VirtualServices of one namespace', async () => {
    const host = 'shop.example.com';
    expect(await served('["shop/*"]', `[${host}]`, host, 'shop')).toBe(true);
    expect(await served('["shop/*"]', `[${host}]`, host, 'other')).toBe(false);
    expect(await served('["./*"]', `[${host}]`, host, 'default')).toBe(true);
    expect(await served('["./*"]', `[${host}]`, host, 'shop')).toBe(false);
    expect(await served('["*/*"]', `[${host}]`, host, 'shop')).toBe(true);
  });
});

describe('S4: several VirtualServices of one host at a gateway', () => {
  const cart = rules(
    `hosts: [shop.example.com], gateways: [front], http: [{ match: [{ uri: { prefix: /cart } }], ${to('cart')} }]`,
    { name: 'younger' },
  );

  test('follow each other, and what takes every request comes last', async () => {
    const mesh = await start(all + shop + cart);
    expect(mesh.call({ host: 'shop.example.com', path: '/cart/1' }).service).toBe('cart');
    expect(mesh.call({ host: 'shop.example.com', path: '/' }).service).toBe('web');
  });

  test('of two that take every request the older one does', async () => {
    const other = rules(`hosts: [shop.example.com], gateways: [front], http: [{ ${to('cart')} }]`, { name: 'other' });
    expect((await start(all + shop + other)).call({ host: 'shop.example.com' }).service).toBe('web');
    expect((await start(all + other + shop)).call({ host: 'shop.example.com' }).service).toBe('cart');
  });

  test('bound to two Gateways of one port share its listener', async () => {
    const second = gateway(`[${httpServer('[cart.example.com]')}]`, { name: 'second', namespace: 'shop' });
    const bound = rules(`hosts: [cart.example.com], gateways: [shop/second], http: [{ ${to('cart')} }]`, {
      name: 'second',
    });
    const mesh = await start(gateway(`[${httpServer('[shop.example.com]')}]`) + second + shop + bound);
    expect(mesh.call({ host: 'shop.example.com' }).service).toBe('web');
    expect(mesh.call({ host: 'cart.example.com' }).service).toBe('cart');
  });
});

describe('S5: a match at a gateway', () => {
  const matching = (match: string, gateways = '[front, mesh]'): string =>
    rules(`hosts: [shop.example.com], gateways: ${gateways}, http: [{ match: [{ ${match} }], ${to('cart')} }]`);
  const serviceFor = async (match: string) =>
    (await start(all + matching(match))).call({ host: 'shop.example.com' }).service;

  test('that names gateways is in force at those only, whatever it says about sources', async () => {
    expect(await serviceFor('gateways: [front]')).toBe('cart');
    expect(await serviceFor('gateways: [default/front], sourceLabels: { app: nobody }')).toBe('cart');
    expect(await serviceFor('gateways: [mesh]')).toBeUndefined();
    expect(await serviceFor('gateways: [other/front]')).toBeUndefined();
  });

  test('that names none asks for the labels and the namespace of the gateway itself', async () => {
    expect(await serviceFor('sourceLabels: { gateway: edge }')).toBe('cart');
    expect(await serviceFor('sourceLabels: { gateway: other }')).toBeUndefined();
    expect(await serviceFor('sourceNamespace: edge')).toBe('cart');
    expect(await serviceFor('sourceNamespace: default')).toBeUndefined();
  });

  test('S6: names the port of the Gateway, not the one that is listened at', async () => {
    const bound = matching('port: 80');
    const shifted = await start(all + bound, { portOffset: 8000 });
    expect(shifted.call({ host: 'shop.example.com' }).service).toBe('cart');
    expect(await serviceFor('port: 8080')).toBeUndefined();
  });

  test('S31: may stand in a delegate', async () => {
    const root = rules(`hosts: [shop.example.com], gateways: [front], http: [{ delegate: { name: part } }]`);
    const part = rules(`http: [{ match: [{ uri: { prefix: /cart } }], ${to('cart')} }]`, { name: 'part' });
    expect((await start(all + root + part)).call({ host: 'shop.example.com', path: '/cart' }).service).toBe('cart');
  });
});

describe('httpsRedirect', () => {
  const redirecting = gateway(
    `[${httpServer('[shop.example.com, "shop/*.example.org"]', ', tls: { httpsRedirect: true }')}]`,
  );

  test('sends every request for the hosts of the server to https, with rules and without', async () => {
    for (const mesh of [await start(redirecting + shop), await start(redirecting)]) {
      const landed = mesh.call({ host: 'shop.example.com', path: '/cart?id=1' });
      expect(landed).toMatchObject({ status: 301, attempts: [] });
      expect(landed.responseHeaders['location']).toBe('https://shop.example.com/cart?id=1');
    }
    expect((await start(redirecting)).call({ host: 'a.example.org' }).status).toBe(301);
  });

  test('leaves other hosts without an answer', async () => {
    expect((await start(redirecting + shop)).call({ host: 'cart.example.com' })).toMatchObject({ status: 404 });
  });

  test('lets through what a trusted proxy in front took by https', async () => {
    const mesh = await start(redirecting + shop, { trustedProxies: 1 });
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' };
    expect(mesh.call({ host: 'shop.example.com', headers }).service).toBe('web');
    expect(mesh.call({ host: 'shop.example.com' }).status).toBe(301);
  });
});

describe('rules at a gateway that changes', () => {
  test('are in force without its listener being another one', async () => {
    const mesh = await start(all + shop);
    expect(mesh.call({ host: 'shop.example.com' }).service).toBe('web');
    await mesh.apply(rules(`hosts: [shop.example.com], gateways: [front], http: [{ ${to('cart')} }]`));
    expect(mesh.call({ host: 'shop.example.com' }).service).toBe('cart');
  });
});

test('sidecars know nothing of the rules of gateways, and gateways nothing of those of the mesh', async () => {
  const forMesh = rules(`hosts: [shop.example.com], http: [{ ${to('cart')} }]`, { name: 'mesh' });
  const sidecar = await Simulation.start({ yaml: all + shop + forMesh, workloads });
  expect(sidecar.call({ host: 'shop.example.com' }).service).toBe('cart');
  expect((await start(all + shop + forMesh)).call({ host: 'shop.example.com' }).service).toBe('web');
});
