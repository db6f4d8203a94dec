import { describe, expect, test } from 'vitest';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';

async function start(generate_request_id?: boolean): Promise<ProxyParts> {
  const backend = closeAfterTest(await Backend.start());
  return closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([routeTo('backend')]),
      clusters: [staticCluster('backend', [backend.port])],
      manager: generate_request_id === undefined ? {} : { generate_request_id },
    }),
  ).start();
}

describe('x-request-id', () => {
  test('is made as a version 4 UUID where it is missing, another one each time', async () => {
    const proxy = await start();
    const ids = new Set<unknown>();
    for (let i = 0; i < 50; i++) ids.add(echoOf(await call(proxy.port())).headers['x-request-id']);
    expect(ids.size).toBe(50);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('is kept where it came with the request', async () => {
    const proxy = await start();
    const { headers } = echoOf(await call(proxy.port(), { headers: { 'X-Request-Id': 'from the caller' } }));
    expect(headers['x-request-id']).toBe('from the caller');
  });

  test('is not made when the configuration says so', async () => {
    const proxy = await start(false);
    expect(echoOf(await call(proxy.port())).headers).not.toHaveProperty('x-request-id');
  });
});

test('x-forwarded-proto is http where it is missing, and kept where it is not', async () => {
  const proxy = await start();
  expect(echoOf(await call(proxy.port())).headers['x-forwarded-proto']).toBe('http');
  const kept = await call(proxy.port(), { headers: { 'x-forwarded-proto': 'https' } });
  expect(echoOf(kept).headers['x-forwarded-proto']).toBe('https');
});

test('headers of one hop end here, all others go on as they came', async () => {
  const proxy = await start();
  const { headers } = echoOf(
    await call(proxy.port(), {
      headers: { connection: 'keep-alive, x-mine', 'x-mine': '1', te: 'trailers', 'X-Other': 'a', 'x-dup': ['1', '2'] },
    }),
  );
  for (const name of ['x-mine', 'te']) expect(headers).not.toHaveProperty(name);
  expect(headers).toMatchObject({ 'x-other': 'a', 'x-dup': '1, 2' });
});
