import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { SimulatedRequest } from './simulated-proxy.ts';
import { Simulation } from './simulation.ts';
import { reviewsSubsets, reviewsV1AndV2, virtualService } from './yaml.ts';

const toV1 = 'route: [{ destination: { host: reviews, subset: v1 } }]';

async function meshWith(http: string): Promise<Simulation> {
  return Simulation.start({ yaml: reviewsSubsets + virtualService('reviews', http), workloads: reviewsV1AndV2 });
}

/** The headers with which the workload gets a request when `headers` are the rule's. */
async function upstreamHeaders(headers: string, request: Partial<SimulatedRequest> = {}) {
  const mesh = await meshWith(`[{ headers: ${headers}, ${toV1} }]`);
  return mesh.call({ host: 'reviews', ...request }).upstreamHeaders;
}

describe('S29: rules for headers of requests', () => {
  const sent = { headers: { 'x-a': 'old', 'x-b': 'keep' } };

  test('S29: set overwrites, add appends, remove removes', async () => {
    expect(await upstreamHeaders('{ request: { set: { x-a: new, x-c: "3" } } }', sent)).toMatchObject({
      'x-a': 'new',
      'x-b': 'keep',
      'x-c': '3',
    });
    expect(await upstreamHeaders('{ request: { remove: [X-A] } }', sent)).not.toHaveProperty('x-a');
    const mesh = await meshWith(`[{ headers: { request: { add: { x-a: new } } }, ${toV1} }]`);
    expect(mesh.call({ host: 'reviews', ...sent }).upstreamHeaders['x-a']).toBe('old,new');
  });

  test('S29: a percent sign is written twice, and variables are put in', async () => {
    const value = '100%% of %REQ(x-a)%%REQ(x-none)% to %REQ(x-none?:authority)% over %PROTOCOL% by %HOSTNAME%';
    expect(await upstreamHeaders(`{ request: { set: { x-c: "${value}" } } }`, sent)).toMatchObject({
      'x-c': `100% of old to reviews over HTTP/1.1 by ${hostname()}`,
    });
    const addresses = '{ request: { set: { x-c: "%DOWNSTREAM_REMOTE_ADDRESS%", x-d: "%DOWNSTREAM_LOCAL_ADDRESS%" } } }';
    expect(await upstreamHeaders(addresses)).toMatchObject({ 'x-c': '127.0.0.1:40000', 'x-d': '127.0.0.1:15001' });
  });

  test('S29: a variable without a value adds nothing', async () => {
    expect(await upstreamHeaders('{ request: { set: { x-c: "%REQ(x-none)%" } } }')).not.toHaveProperty('x-c');
  });

  test('S29: an unknown variable is refused', async () => {
    await expect(upstreamHeaders('{ request: { set: { x-c: "%NOBODY%" } } }')).rejects.toThrow(/NOBODY/);
  });

  test('S29: setting host or :authority rewrites the Host', async () => {
    for (const name of ['host', 'Host', ':authority']) {
      const headers = await upstreamHeaders(`{ request: { set: { "${name}": other.example.com } } }`);
      expect(headers['host']).toBe('other.example.com');
    }
  });

  test('S29: text that is not ASCII goes out as UTF-8', async () => {
    const { 'x-c': value = '' } = await upstreamHeaders('{ request: { set: { x-c: "häh €" } } }');
    expect(Buffer.from(value, 'latin1').toString()).toBe('häh €');
  });
});

describe('S29: rules for headers of responses', () => {
  test('S29: set, add and remove apply to what the workload answers', async () => {
    const mesh = await meshWith(
      `[{ headers: { response: { set: { x-host: "%UPSTREAM_REMOTE_ADDRESS%" }, remove: [x-envoy-upstream-service-time] } }, ${toV1} }]`,
    );
    const { responseHeaders, endpoint } = mesh.call({ host: 'reviews' });
    expect(responseHeaders['x-host']).toBe(endpoint);
    expect(responseHeaders).not.toHaveProperty('x-envoy-upstream-service-time');
  });

  test('S29: and to errors that the sidecar reports itself, whichever filter does', async () => {
    const headers = '{ response: { set: { x-a: "1" } } }';
    const destination = `{ host: nowhere }, headers: { response: { add: { x-b: "2" } } }`;
    const rule = `headers: ${headers}, route: [{ destination: ${destination} }]`;
    const abort = 'fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }';
    const mesh = await meshWith(`[{ match: [{ uri: { prefix: /fault } }], ${abort}, ${rule} }, { ${rule} }]`);
    const responseHeaders = { 'x-a': '1', 'x-b': '2' };
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 503, flag: 'NC', responseHeaders });
    expect(mesh.call({ host: 'reviews', path: '/fault' })).toMatchObject({ status: 418, flag: 'FI', responseHeaders });
  });

  test('S29: whose values are made of what came: no rule of a place sees what another one there has done', async () => {
    const request = '{ set: { x-a: new, x-c: "%REQ(x-a)%" }, add: { x-b: "%REQ(x-a)%" } }';
    const mesh = await meshWith(`[{ headers: { request: ${request} }, route: [{ destination: { host: reviews } }] }]`);
    const { upstreamHeaders } = mesh.call({ host: 'reviews', headers: { 'x-a': 'old' } });
    expect(upstreamHeaders).toMatchObject({ 'x-a': 'new', 'x-b': 'old', 'x-c': 'old' });
  });
});

describe('S29: rules of destinations', () => {
  const destination = (subset: string, weight: number, headers: string): string =>
    `{ destination: { host: reviews, subset: ${subset} }, weight: ${weight}, headers: ${headers} }`;
  const setX = (value: string): string =>
    `{ request: { set: { x-a: ${value} } }, response: { set: { x-a: ${value} } } }`;

  test('S29: each destination has its own', async () => {
    const mesh = await meshWith(
      `[{ route: [${destination('v1', 50, setX('one'))}, ${destination('v2', 50, setX('two'))}] }]`,
    );
    const seen = Array.from({ length: 40 }, () => mesh.call({ host: 'reviews' })).map(
      ({ version, upstreamHeaders, responseHeaders }) => [version, upstreamHeaders['x-a'], responseHeaders['x-a']],
    );
    expect(new Set(seen.map((each) => each.join()))).toEqual(new Set(['v1,one,one', 'v2,two,two']));
  });

  test('S29: of one destination they come after those of the route', async () => {
    const mesh = await meshWith(
      `[{ headers: ${setX('route')}, route: [${destination('v1', 1, setX('destination'))}] }]`,
    );
    expect(mesh.call({ host: 'reviews' }).upstreamHeaders['x-a']).toBe('destination');
  });

  test('S29: of several destinations they come before those of the route', async () => {
    const both = `${destination('v1', 1, setX('destination'))}, ${destination('v2', 0, '{}')}`;
    const mesh = await meshWith(`[{ headers: ${setX('route')}, route: [${both}] }]`);
    expect(mesh.call({ host: 'reviews' }).upstreamHeaders['x-a']).toBe('route');
  });

  test("S28: the route's Host beats the destination's", async () => {
    const host = (name: string): string => `{ request: { set: { host: ${name} } } }`;
    const own = await meshWith(
      `[{ route: [${destination('v1', 1, host('a.com'))}, ${destination('v2', 1, host('a.com'))}] }]`,
    );
    expect(own.call({ host: 'reviews' }).upstreamHeaders['host']).toBe('a.com');
    const ruled = await meshWith(
      `[{ rewrite: { authority: b.com }, route: [${destination('v1', 1, host('a.com'))}, ${destination('v2', 1, host('a.com'))}] }]`,
    );
    expect(ruled.call({ host: 'reviews' }).upstreamHeaders['host']).toBe('b.com');
  });
});
