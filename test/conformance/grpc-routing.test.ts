/** Rules of VirtualServices for a service of gRPC: each call of a connection goes its own way. */
import { status as Status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { destinationRule, kubernetesService, virtualService } from '../simulation/yaml.ts';
import { GrpcBackend } from '../support/grpc/grpc-backend.ts';
import { GrpcClient } from '../support/grpc/grpc-client.ts';
import {
  cartSubsets,
  type GrpcMesh,
  grpcPort,
  grpcService,
  splitOf,
  startGrpcMesh,
  toCart,
  toSubset,
} from '../support/grpc/grpc-mesh.ts';
import { besideEachSidecar } from './live-mesh.ts';

interface Started extends GrpcMesh {
  readonly backends: readonly GrpcBackend[];
}

async function start(versions: readonly string[], yaml: string): Promise<Started> {
  const backends = await Promise.all(versions.map((version) => GrpcBackend.start(version)));
  return { ...(await startGrpcMesh({ servers: backends, yaml })), backends };
}

/** In which `rules`, a list of HTTP routes in YAML, hold for `cart` with its versions v1 and v2. */
const startWith = (rules: string): Promise<Started> => start(['v1', 'v2'], cartSubsets + virtualService('cart', rules));

const balanced = destinationRule('cart', 'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }');

besideEachSidecar(() => {
  describe('where a call goes', () => {
    test('metadata lead to a subset, as headers do', async () => {
      const match = '[{ headers: { end-user: { exact: jason } } }]';
      const { client } = await startWith(`[{ match: ${match}, ${toSubset('v2')} }, { ${toSubset('v1')} }]`);
      const landingOf = async (user: string) => (await client.call({ metadata: { 'end-user': user } })).landed;
      expect(await landingOf('jason')).toBe('cart-v2');
      expect(await landingOf('ann')).toBe('cart-v1');
      expect((await client.call()).landed).toBe('cart-v1');
    });

    test('a prefix of the path is a service, and an exact path a method of it', async () => {
      const rules = `
  - match: [{ uri: { exact: /shop.Cart/Total } }, { uri: { prefix: /shop.Orders/ } }]
    ${toSubset('v2')}
  - match: [{ uri: { prefix: /shop.Cart/ } }]
    ${toSubset('v1')}`;
      const { client } = await startWith(rules);
      const landingOf = async (path: string) => (await client.call({ path })).landed;
      expect(await landingOf('/shop.Cart/Get')).toBe('cart-v1');
      expect(await landingOf('/shop.Cart/Total')).toBe('cart-v2');
      expect(await landingOf('/shop.Orders/Get')).toBe('cart-v2');
      // Neither of them takes it, and nothing else does.
      expect(await client.call({ path: '/shop.Other/Get' })).toMatchObject({ status: 'UNIMPLEMENTED' });
    });

    test('what a rule sets, adds and removes of headers is metadata to the server and to the client', async () => {
      const request = 'request: { set: { x-set: "%PROTOCOL%" }, remove: [x-gone] }';
      const response = 'response: { add: { x-back: "yes" } }';
      const { client } = await startWith(`[{ headers: { ${request}, ${response} }, ${toSubset('v1')} }]`);
      const { echo, head } = await client.call({ metadata: { 'x-gone': '1', 'x-kept': '2' } });
      expect(echo?.metadata).toMatchObject({ 'x-set': 'HTTP/2', 'x-kept': '2' });
      expect(echo?.metadata).not.toHaveProperty('x-gone');
      expect(head).toMatchObject({ 'x-back': 'yes' });
    });

    test('a rewrite gives the server another method and another authority', async () => {
      const rules = `[{ match: [{ uri: { prefix: /old.Cart/ } }], rewrite: { uri: /shop.Cart/, authority: inner.example }, ${toSubset('v1')} }]`;
      const { client } = await startWith(rules);
      expect((await client.call({ path: '/old.Cart/Get' })).echo).toMatchObject({
        path: '/shop.Cart/Get',
        host: 'inner.example',
        metadata: { 'x-envoy-original-path': '/old.Cart/Get' },
      });
    });

    test('a service is known in all spellings of its name, and another one is another', async () => {
      const [cart, orders] = await Promise.all([GrpcBackend.start('v1'), GrpcBackend.start('orders')]);
      const { mesh } = await startGrpcMesh({ servers: [cart], yaml: grpcService('orders', [orders]) });
      const landingOf = async (authority: string) => {
        return (await new GrpcClient(mesh.outboundPort, authority).call()).landed;
      };
      for (const name of ['cart', 'cart.default', 'cart.default.svc.cluster.local', 'CART']) {
        expect([name, await landingOf(`${name}:${grpcPort}`)]).toEqual([name, 'cart-v1']);
      }
      expect(await landingOf(`orders:${grpcPort}`)).toBe('cart-orders');
    });

    test('a port that only says HTTP/2, in any of its names, is one for gRPC as well', async () => {
      for (const port of ['{ name: http2, port: 80 }', '{ name: web, appProtocol: kubernetes.io/h2c, port: 80 }']) {
        const backend = await GrpcBackend.start('v1');
        const name = port.includes('web') ? 'web' : 'http2';
        const yaml =
          kubernetesService('shop', `[${port}]`) +
          `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: shop, namespace: default }
spec: { address: 127.0.0.1, ports: { ${name}: ${backend.port} }, labels: { app: shop } }
`;
        const { mesh } = await startGrpcMesh({ yaml });
        expect((await new GrpcClient(mesh.outboundPort, 'shop').call()).landed).toBe('cart-v1');
      }
    });
  });

  describe('the calls of one connection', () => {
    test('are split by weights, each for itself', async () => {
      const { client, mesh } = await startWith(splitOf(90, 10));
      const { 'cart-v1': v1 = 0, 'cart-v2': v2 = 0 } = await client.share(600);
      expect(v1 + v2).toBe(600);
      expect(v2 / 600).toBeGreaterThan(0.05);
      expect(v2 / 600).toBeLessThan(0.16);
      await mesh.apply(virtualService('cart', splitOf(0, 100)));
      expect(await client.share(20)).toEqual({ 'cart-v2': 20 });
    });

    test('are balanced over all endpoints, each for itself', async () => {
      const { client, backends } = await start(['a', 'b', 'c'], balanced);
      expect(await client.share(99)).toEqual({ 'cart-a': 33, 'cart-b': 33, 'cart-c': 33 });
      // And by one connection to each of them.
      expect(backends.map(({ peers }) => peers.size)).toEqual([1, 1, 1]);
    });

    test('reach all endpoints about evenly by the default, too, however many are under way', async () => {
      const { client } = await start(['a', 'b', 'c'], '');
      const answers = await Promise.all(Array.from({ length: 300 }, () => client.call()));
      for (const name of ['cart-a', 'cart-b', 'cart-c']) {
        expect(answers.filter(({ landed }) => landed === name).length).toBeGreaterThan(60);
      }
    });

    test('keep to one endpoint by a hash of their metadata', async () => {
      const hash = destinationRule(
        'cart',
        'trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }',
      );
      const { client } = await start(['a', 'b', 'c', 'd'], hash);
      const places = [];
      for (let i = 0; i < 12; i++) places.push(await client.share(3, { metadata: { 'x-user': `user-${i}` } }));
      for (const shares of places) expect(Object.values(shares)).toEqual([3]);
      expect(new Set(places.flatMap(Object.keys)).size).toBeGreaterThan(1);
    });

    test('have a copy of each at a mirror, whose answers nobody sees', async () => {
      const hosts: string[] = [];
      const shadow = await GrpcBackend.start('shadow', (call, answer) => {
        hosts.push(call.getHost());
        answer({ code: Status.INTERNAL, details: 'ignored' });
      });
      const { client, mesh } = await startWith(`[{ mirror: { host: shadow }, ${toSubset('v1')} }]`);
      await mesh.apply(grpcService('shadow', [shadow]));
      const message = Buffer.alloc(100_000, 'x');
      expect(await client.share(5, { message })).toEqual({ 'cart-v1': 5 });
      await expect.poll(() => hosts).toEqual(Array.from({ length: 5 }, () => `cart-shadow:${grpcPort}`));
      expect(new Set(shadow.paths)).toEqual(new Set(['/shop.Cart/Get']));
      await mesh.apply(
        virtualService('cart', `[{ mirror: { host: shadow }, mirrorPercentage: { value: 0 }, ${toCart} }]`),
      );
      await client.share(5);
      expect(shadow.calls).toBe(5);
    });
  });
});

test('B5: in a sticky split a user keeps his version on whatever connection, and a growing weight moves him one way', async () => {
  const sticky = (v2: number): string =>
    virtualService('cart', splitOf(100 - v2, v2)).replace(
      'namespace: default }',
      'namespace: default, annotations: { heddle.dev/sticky: "header:x-user" } }',
    );
  const { client, mesh } = await start(['v1', 'v2'], cartSubsets + sticky(10));
  const others = new GrpcClient(mesh.outboundPort, `cart:${grpcPort}`);
  const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
  const versionsBy = async (by: GrpcClient): Promise<(string | undefined)[]> => {
    const answers = await Promise.all(users.map((user) => by.call({ metadata: { 'x-user': user } })));
    return answers.map(({ landed }) => landed);
  };
  const before = await versionsBy(client);
  expect(await versionsBy(others)).toEqual(before);
  await mesh.apply(sticky(60));
  const after = await versionsBy(client);
  const isInV2 = (landed: string | undefined): boolean => landed === 'cart-v2';
  expect(users.filter((_, i) => isInV2(before[i]) && !isInV2(after[i]))).toEqual([]);
  expect(after.filter(isInV2).length).toBeGreaterThan(before.filter(isInV2).length);
});
