import { describe, expect, test } from 'vitest';
import type { Landing } from './simulated-proxy.ts';
import { Simulation } from './simulation.ts';
import { virtualService } from './yaml.ts';

const shop = 'https://shop.example';

async function withPolicy(policy: string): Promise<(headers: Record<string, string>, method?: string) => Landing> {
  const rules = virtualService('reviews', `[{ corsPolicy: ${policy}, route: [{ destination: { host: reviews } }] }]`);
  const mesh = await Simulation.start({ yaml: rules, workloads: [{ service: 'reviews' }] });
  return (headers, method = 'GET') => mesh.call({ host: 'reviews', method, headers });
}

const preflight = (origin: string, headers = {}): [Record<string, string>, string] => [
  { origin, 'access-control-request-method': 'PUT', ...headers },
  'OPTIONS',
];

/** The headers of the CORS protocol, without the prefix that they share. */
function corsHeaders({ responseHeaders }: Landing): Record<string, string> {
  const prefix = 'access-control-';
  const entries = Object.entries(responseHeaders).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
}

describe('S30: a CORS policy', () => {
  test.each([
    ['exact', `{ exact: "${shop}" }`, [shop], ['https://shop.example.org', 'http://shop.example']],
    ['prefix', '{ prefix: "https://shop" }', [shop, 'https://shopping.test'], ['http://shop.example']],
    ['regex', '{ regex: "https://[a-z]+\\\\.example" }', [shop], ['https://shop.example.org', 'xhttps://shop.example']],
  ])('echoes an origin allowed by %s, and says nothing to others', async (_, match, allowed, others) => {
    const call = await withPolicy(`{ allowOrigins: [${match}] }`);
    for (const origin of allowed) expect(corsHeaders(call({ origin }))).toEqual({ 'allow-origin': origin });
    for (const origin of others) expect(corsHeaders(call({ origin }))).toEqual({});
    expect(corsHeaders(call({}))).toEqual({});
  });

  test('lets every origin in by exact *, and by whatever takes that literally', async () => {
    for (const match of ['{ exact: "*" }', '{ prefix: "*" }', '{ regex: ".*" }']) {
      const call = await withPolicy(`{ allowOrigins: [{ exact: "https://a.test" }, ${match}] }`);
      expect(corsHeaders(call({ origin: shop }))).toEqual({ 'allow-origin': shop });
    }
  });

  test('is not for what the sidecar answers by rule', async () => {
    for (const answer of ['redirect: { uri: /b }', 'directResponse: { status: 200 }']) {
      const rules = virtualService('reviews', `[{ corsPolicy: { allowOrigins: [{ exact: "*" }] }, ${answer} }]`);
      const mesh = await Simulation.start({ yaml: rules, workloads: [{ service: 'reviews' }] });
      expect(corsHeaders(mesh.call({ host: 'reviews', headers: { origin: shop } }))).toEqual({});
    }
  });

  test('answers the preflight of an allowed origin without asking the workload', async () => {
    const call = await withPolicy(`
      { allowOrigins: [{ exact: "${shop}" }], allowMethods: [GET, PUT], allowHeaders: [x-a, x-b],
        exposeHeaders: [x-c], maxAge: 24h, allowCredentials: true }`);
    const landing = call(...preflight(shop));
    expect(landing).toMatchObject({ status: 200, flag: '-', attempts: [] });
    expect(corsHeaders(landing)).toEqual({
      'allow-origin': shop,
      'allow-methods': 'GET,PUT',
      'allow-headers': 'x-a,x-b',
      'allow-credentials': 'true',
      'expose-headers': 'x-c',
      'max-age': '86400',
    });
  });

  test('exposes headers and allows credentials on the response itself', async () => {
    const call = await withPolicy(
      `{ allowOrigins: [{ exact: "${shop}" }], allowMethods: [GET], exposeHeaders: [x-c, x-d], allowCredentials: true }`,
    );
    expect(corsHeaders(call({ origin: shop }))).toEqual({
      'allow-origin': shop,
      'allow-credentials': 'true',
      'expose-headers': 'x-c,x-d',
    });
  });

  test('allows what is asked for where it allows everything', async () => {
    const call = await withPolicy(`{ allowOrigins: [{ exact: "${shop}" }], allowMethods: ["*"], allowHeaders: ["*"] }`);
    const landing = call(...preflight(shop, { 'access-control-request-headers': 'x-one, x-two' }));
    expect(corsHeaders(landing)).toEqual({
      'allow-origin': shop,
      'allow-methods': 'PUT',
      'allow-headers': 'x-one, x-two',
    });
  });

  test.each(['', ', unmatchedPreflights: FORWARD', ', unmatchedPreflights: UNSPECIFIED'])(
    'forwards the preflight of another origin to the workload%s',
    async (rest) => {
      const call = await withPolicy(`{ allowOrigins: [{ exact: "${shop}" }]${rest} }`);
      const landing = call(...preflight('https://other.example'));
      expect(landing.attempts).toHaveLength(1);
      expect(corsHeaders(landing)).toEqual({});
    },
  );

  test('answers the preflight of another origin with nothing allowed where it is told to', async () => {
    const call = await withPolicy(`{ allowOrigins: [{ exact: "${shop}" }], unmatchedPreflights: IGNORE }`);
    const landing = call(...preflight('https://other.example'));
    expect(landing).toMatchObject({ status: 200, attempts: [] });
    expect(corsHeaders(landing)).toEqual({});
  });

  test('forwards an OPTIONS request that is no preflight', async () => {
    const call = await withPolicy(`{ allowOrigins: [{ exact: "${shop}" }] }`);
    const landing = call({ origin: shop }, 'OPTIONS');
    expect(landing.attempts).toHaveLength(1);
    expect(corsHeaders(landing)).toEqual({ 'allow-origin': shop });
  });

  test('lets scripts read an injected error', async () => {
    const rules = virtualService(
      'reviews',
      `[{ corsPolicy: { allowOrigins: [{ exact: "${shop}" }] }, route: [{ destination: { host: reviews } }],
          fault: { abort: { httpStatus: 500, percentage: { value: 100 } } } }]`,
    );
    const mesh = await Simulation.start({ yaml: rules, workloads: [{ service: 'reviews' }] });
    const landing = mesh.call({ host: 'reviews', headers: { origin: shop } });
    expect(landing.status).toBe(500);
    expect(corsHeaders(landing)).toEqual({ 'allow-origin': shop });
  });
});
