import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Child } from '../../../examples/ftgo-canary/child.ts';
import { findFreePorts } from '../../../pilot/cli/free-ports.ts';
import { compiled } from '../../support/mesh.ts';

describe('the services of the shop', () => {
  const children: Child[] = [];
  const asked: IncomingMessage[] = [];
  let consumerUrl = '';
  let orderUrl = '';
  let sidecarStatus = 200;

  /** Plays the sidecar of the order service. */
  const sidecar = createServer((request, response) => {
    asked.push(request);
    response.writeHead(sidecarStatus, { 'x-version': 'v2' }).end('{"id":"7"}');
  });

  const start = async (program: string, env: Record<string, string>, ...args: string[]): Promise<string> => {
    const [port = 0] = await findFreePorts(1);
    const path = compiled(`examples/ftgo-canary/${program}.js`);
    const child = new Child({ name: program, args: [path, ...args], env: { ...env, PORT: String(port) } });
    children.push(child);
    await child.waitForLine(/listens on/);
    return `http://127.0.0.1:${port}`;
  };

  beforeAll(async () => {
    await new Promise<void>((resolve) => sidecar.listen(0, '127.0.0.1', resolve));
    const outbound = `http://127.0.0.1:${(sidecar.address() as AddressInfo).port}`;
    consumerUrl = await start('consumer-service', {}, 'v2');
    orderUrl = await start('order-service', { HEDDLE_OUTBOUND: outbound });
  });

  afterAll(async () => {
    sidecar.closeAllConnections();
    sidecar.close();
    await Promise.all(children.map((child) => child.end()));
  });

  test('the consumer service tells its version in header and body, and v2 the loyalty points', async () => {
    const response = await fetch(`${consumerUrl}/consumers/42`);
    expect(response.headers.get('x-version')).toBe('v2');
    expect(await response.json()).toEqual({ id: '42', name: 'Consumer 42', version: 'v2', loyaltyPoints: 20 });
    expect((await fetch(`${consumerUrl}/elsewhere`)).status).toBe(404);
  });

  test('the order service asks its sidecar for the consumer service by name and passes the test user on', async () => {
    asked.length = 0;
    const response = await fetch(`${orderUrl}/orders/7`, { headers: { testuser: 'alice', cookie: 'private' } });
    expect(await response.json()).toEqual({ id: '7', consumer: { id: '7' } });
    expect(response.headers.get('x-consumer-version')).toBe('v2');
    expect(asked.map(({ url, headers: { host, testuser, cookie } }) => ({ url, host, testuser, cookie }))).toEqual([
      { url: '/consumers/7', host: 'ftgo-consumer-service', testuser: 'alice', cookie: undefined },
    ]);
  });

  test('a consumer service that does not answer is a 502 with a reason', async () => {
    sidecarStatus = 503;
    const response = await fetch(`${orderUrl}/orders/7`);
    expect(response.status).toBe(502);
    expect(await response.json()).toEqual({ error: 'the consumer service answered 503' });
    sidecarStatus = 200;
  });
});
