import { describe, expect, test } from 'vitest';
import type { SimulatedRequest } from './simulated-proxy.ts';
import { Simulation } from './simulation.ts';
import { kubernetesService, virtualService } from './yaml.ts';

async function meshWith(http: string): Promise<Simulation> {
  const ports = '[{ port: 80, name: http }, { port: 8080, name: http-alt }]';
  const yaml = kubernetesService('reviews', ports) + virtualService('reviews', http);
  return Simulation.start({ yaml, workloads: [{ service: 'reviews' }] });
}

/** Status and Location of the answer to a request for `http://reviews/a/b?q=1`. */
async function redirected(redirect: string, request: Partial<SimulatedRequest> = {}, match = '{ prefix: /a }') {
  const mesh = await meshWith(`[{ match: [{ uri: ${match} }], redirect: ${redirect} }]`);
  const { status, responseHeaders, attempts } = mesh.call({ host: 'reviews', path: '/a/b?q=1', ...request });
  expect(attempts).toEqual([]);
  return `${status} ${responseHeaders['location']}`;
}

describe('S27: a redirect', () => {
  test('S27: replaces the whole path and keeps the query, unless it brings its own', async () => {
    expect(await redirected('{ uri: /c }')).toBe('301 http://reviews/c?q=1');
    expect(await redirected('{ uri: "/c?d=2" }')).toBe('301 http://reviews/c?d=2');
  });

  test('S27: may replace the matched prefix only', async () => {
    expect(await redirected('{ prefixRewrite: /c }')).toBe('301 http://reviews/c/b?q=1');
  });

  test('S27: has the status it is told, 301 by default', async () => {
    for (const code of [301, 302, 303, 307, 308]) {
      expect(await redirected(`{ uri: /c, redirectCode: ${code} }`)).toBe(`${code} http://reviews/c?q=1`);
    }
  });

  test('S27: may lead to another host, which then has no port of the request', async () => {
    expect(await redirected('{ authority: other.com }', { host: 'reviews:8080' })).toBe('301 http://other.com/a/b?q=1');
  });

  test('S27: may lead to another port', async () => {
    expect(await redirected('{ port: 8443 }', { host: 'reviews:8080' })).toBe('301 http://reviews:8443/a/b?q=1');
    expect(await redirected('{ authority: other.com, port: 81 }')).toBe('301 http://other.com:81/a/b?q=1');
    expect(await redirected('{ authority: other.com, derivePort: FROM_REQUEST_PORT }', { host: 'reviews:8080' })).toBe(
      '301 http://other.com:8080/a/b?q=1',
    );
  });

  test("S27: may lead to another scheme, and leaves the old one's port behind", async () => {
    expect(await redirected('{ scheme: https }', { host: 'reviews:80' })).toBe('301 https://reviews/a/b?q=1');
    expect(await redirected('{ scheme: https }', { host: 'reviews:8080' })).toBe('301 https://reviews:8080/a/b?q=1');
    expect(await redirected('{ scheme: https, port: 443 }')).toBe('301 https://reviews/a/b?q=1');
  });

  test('S27: gets the header rules of its route', async () => {
    const mesh = await meshWith('[{ headers: { response: { set: { x-a: "1" } } }, redirect: { uri: /c } }]');
    expect(mesh.call({ host: 'reviews' }).responseHeaders).toMatchObject({ 'x-a': '1', location: 'http://reviews/c' });
  });
});

describe('a direct response', () => {
  test('is the status and the body that stand in the rule', async () => {
    const mesh = await meshWith(
      '[{ headers: { response: { set: { content-type: application/json } } }, directResponse: { status: 418, body: { string: "{}" } } }]',
    );
    const { status, flag, responseBody, responseHeaders, attempts } = mesh.call({ host: 'reviews' });
    expect({ status, flag, attempts, body: responseBody.toString() }).toEqual({
      status: 418,
      flag: '-',
      attempts: [],
      body: '{}',
    });
    expect(responseHeaders).toMatchObject({ 'content-type': 'application/json', 'content-length': '2' });
  });

  test('may have any bytes as its body, also more than Envoy takes by default', async () => {
    const bytes = Buffer.alloc(10_000, 0xff);
    const mesh = await meshWith(`[{ directResponse: { status: 200, body: { bytes: ${bytes.toString('base64')} } } }]`);
    expect(mesh.call({ host: 'reviews' }).responseBody.equals(bytes)).toBe(true);
  });

  test('needs no body', async () => {
    const mesh = await meshWith('[{ directResponse: { status: 403 } }]');
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 403, flag: '-' });
  });
});
