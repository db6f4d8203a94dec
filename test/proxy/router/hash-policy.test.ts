import { describe, expect, test } from 'vitest';
import type { RouteAction, RouteAction_HashPolicy as HashPolicy } from '../../../proxy/api/envoy.gen.ts';
import { readCookie } from '../../../proxy/router/hash-policy.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { type Answer, type Call, call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';

const names = ['a', 'b', 'c', 'd'];

/** A proxy in front of four backends on a ring, all behind one route. */
async function start(hash_policy: HashPolicy[], action: RouteAction = {}): Promise<ProxyParts> {
  const backends: Backend[] = [];
  for (const name of names) backends.push(closeAfterTest(await Backend.start(name)));
  const ports = backends.map(({ port }) => port);
  const routes = routeConfiguration([routeTo('ring', { hash_policy, ...action })]);
  const clusters = [staticCluster('ring', ports, { lb_policy: 'RING_HASH' })];
  const proxy = closeAfterTest(new ProxyParts({ routes, clusters }));
  await proxy.start();
  return proxy;
}

/** The backends that answered `count` requests. */
async function placesOf(proxy: ProxyParts, request: (nth: number) => Call, count = 40): Promise<Set<string>> {
  const places = new Set<string>();
  for (let i = 0; i < count; i++) places.add(echoOf(await call(proxy.port(), request(i))).name);
  return places;
}

const withHeaders = (headers: Record<string, string>): Call => ({ headers });
const setCookiesOf = ({ headers }: Answer): readonly string[] => headers['set-cookie'] ?? [];

describe('several hash policies', () => {
  const policies: HashPolicy[] = [{ header: { header_name: 'X-A' } }, { header: { header_name: 'x-b' } }];

  test('make one hash of all keys that are there', async () => {
    const proxy = await start(policies);
    expect((await placesOf(proxy, () => withHeaders({ 'x-a': '1', 'x-b': '2' }))).size).toBe(1);
    expect((await placesOf(proxy, (i) => withHeaders({ 'x-a': '1', 'x-b': String(i) }))).size).toBe(4);
    expect((await placesOf(proxy, (i) => withHeaders({ 'x-a': String(i), 'x-b': '2' }))).size).toBe(4);
    expect((await placesOf(proxy, () => withHeaders({ 'x-b': '2' }))).size).toBe(1);
  });

  test('end at a terminal one whose key is there', async () => {
    const proxy = await start([{ header: { header_name: 'x-a' }, terminal: true }, ...policies.slice(1)]);
    expect((await placesOf(proxy, (i) => withHeaders({ 'x-a': '1', 'x-b': String(i) }))).size).toBe(1);
    expect((await placesOf(proxy, (i) => withHeaders({ 'x-b': String(i) }))).size).toBe(4);
  });

  test('none of whose keys is there leave the host to chance', async () => {
    expect((await placesOf(await start(policies), () => ({}))).size).toBe(4);
  });
});

test('the source address is the same for all connections of a client', async () => {
  const proxy = await start([{ connection_properties: { source_ip: true } }]);
  expect((await placesOf(proxy, (i) => ({ path: `/${i}` }))).size).toBe(1);
});

test('of a query parameter that is repeated the first counts', async () => {
  const proxy = await start([{ query_parameter: { name: 'k' } }]);
  expect((await placesOf(proxy, (i) => ({ path: `/?k=1&k=${i}` }))).size).toBe(1);
  expect((await placesOf(proxy, (i) => ({ path: `/?K=1&k=${i}` }))).size).toBe(4);
});

describe('a cookie', () => {
  test('that is made is sent once, and leads back to the host that it was made with', async () => {
    const proxy = await start([{ cookie: { name: 'lb', ttl: '90s', path: '/shop' } }]);
    for (let i = 0; i < 20; i++) {
      const first = await call(proxy.port());
      const [setCookie = ''] = setCookiesOf(first);
      expect(setCookie).toMatch(/^lb="[0-9a-f]{16}"; Max-Age=90; Path=\/shop; HttpOnly$/);
      const again = await call(proxy.port(), withHeaders({ cookie: `x=1; ${setCookie.split(';')[0]}` }));
      expect(echoOf(again).name).toBe(echoOf(first).name);
      expect(setCookiesOf(again)).toEqual([]);
    }
  });

  test('that is made spreads clients over all hosts', async () => {
    expect((await placesOf(await start([{ cookie: { name: 'lb', ttl: '0s' } }]), () => ({}))).size).toBe(4);
  });

  test('with a ttl of 0 lives for the session, with the attributes that were asked for', async () => {
    const attributes = [{ name: 'Secure' }, { name: 'SameSite', value: 'Lax' }];
    const proxy = await start([{ cookie: { name: 'lb', ttl: '0s', attributes } }]);
    expect(setCookiesOf(await call(proxy.port()))).toEqual([
      expect.stringMatching(/^lb="[0-9a-f]{16}"; Secure; SameSite=Lax; HttpOnly$/),
    ]);
  });

  test('without a ttl is never made', async () => {
    const proxy = await start([{ cookie: { name: 'lb' } }]);
    expect(setCookiesOf(await call(proxy.port()))).toEqual([]);
    expect((await placesOf(proxy, () => withHeaders({ cookie: 'lb=7' }))).size).toBe(1);
  });

  test('of one request is not sent with the response to the next on the same connection', async () => {
    const proxy = await start([{ cookie: { name: 'lb', ttl: '0s' } }]);
    const first = setCookiesOf(await call(proxy.port()));
    const second = setCookiesOf(await call(proxy.port()));
    expect(first).toHaveLength(1);
    expect(second).toHaveLength(1);
    expect(second).not.toEqual(first);
  });

  test('the application’s own Set-Cookie stays beside it', async () => {
    const backend = closeAfterTest(await Backend.start('own'));
    backend.respond = (_request, response) => response.setHeader('set-cookie', 'session=1').end();
    const routes = routeConfiguration([routeTo('one', { hash_policy: [{ cookie: { name: 'lb', ttl: '0s' } }] })]);
    const clusters = [staticCluster('one', [backend.port])];
    const proxy = closeAfterTest(new ProxyParts({ routes, clusters }));
    await proxy.start();
    expect(setCookiesOf(await call(proxy.port()))).toEqual(['session=1', expect.stringMatching(/^lb=/)]);
  });
});

describe('a Cookie header', () => {
  test.each([
    ['a=1', '1'],
    ['b=2; a=1; c=3', '1'],
    ['a="quoted"', 'quoted'],
    ['a=', ''],
    ['a=1; a=2', '1'],
    ['a=x=y', 'x=y'],
    ['b=2,a=1', '1'],
    ['aa=1', undefined],
    ['A=1', undefined],
    ['a', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j has for a the value %j', (header, expected) => {
    expect(readCookie(header, 'a')).toBe(expected);
  });
});

test('weighted clusters chosen by the hash stay the same for a key, and without a key follow chance', async () => {
  const backends = [closeAfterTest(await Backend.start('old')), closeAfterTest(await Backend.start('new'))];
  const [old, fresh] = backends.map(({ port }) => port) as [number, number];
  const weighted_clusters = {
    clusters: [
      { name: 'old', weight: 50 },
      { name: 'new', weight: 50 },
    ],
    use_hash_policy: true,
  };
  const hash_policy: HashPolicy[] = [{ header: { header_name: 'x-user' } }];
  const route = { match: { prefix: '/' }, route: { weighted_clusters, hash_policy, timeout: '0s' } };
  const clusters = [staticCluster('old', [old]), staticCluster('new', [fresh])];
  const proxy = closeAfterTest(new ProxyParts({ routes: routeConfiguration([route]), clusters }));
  await proxy.start();
  for (const user of ['ada', 'grace', 'mary', 'joan']) {
    expect((await placesOf(proxy, () => withHeaders({ 'x-user': user }), 8)).size).toBe(1);
  }
  expect((await placesOf(proxy, (i) => withHeaders({ 'x-user': `user-${i}` }))).size).toBe(2);
  expect((await placesOf(proxy, () => ({}))).size).toBe(2);
});
