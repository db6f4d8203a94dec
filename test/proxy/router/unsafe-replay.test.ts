import { describe, expect, test } from 'vitest';
import type { envoy_config_route_v3_RetryPolicy as RetryPolicy } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { type BackendConnection, okResponse, RawBackend } from '../../support/raw-backend.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

const requestsPerSeed = 60;
const repeatable = new Set(['GET', 'PUT', 'DELETE']);
/** What is retried by default: only what provably reached no application. */
const safePolicy: RetryPolicy = { retry_on: 'connect-failure,refused-stream,reset-before-request', num_retries: 2 };

/** What a host does with a request that has come whole. */
const behaviours: readonly ((connection: BackendConnection) => void)[] = [
  (connection) => connection.send(okResponse),
  (connection) => connection.send(okResponse),
  ({ socket }) => void socket.resetAndDestroy(),
  ({ socket }) => void socket.end(),
  ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-le'),
  (connection) => connection.send('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'),
  ({ socket }) => {
    socket.write(okResponse);
    // Closes as if it had waited long enough, while the next request may be on its way.
    setImmediate(() => socket.resetAndDestroy());
  },
];

interface Sent {
  readonly id: string;
  readonly method: string;
  readonly hasKey: boolean;
  readonly body: string;
}

async function run(seed: number): Promise<{ sent: Sent[]; backends: RawBackend[] }> {
  const random = seededRandom(seed);
  const oneOf = <T>(choices: readonly T[]): T | undefined => choices[Math.floor(random() * choices.length)];
  const backends = [closeAfterTest(new RawBackend()), closeAfterTest(new RawBackend())];
  for (const backend of backends) {
    await backend.start();
    backend.onRequest = (connection) => oneOf(behaviours)?.(connection);
  }
  const proxy = await closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([routeTo('c', { retry_policy: safePolicy })]),
      clusters: [
        staticCluster('c', [...backends.map(({ port }) => port), await unusedPort()], { lb_policy: 'ROUND_ROBIN' }),
      ],
      seed,
    }),
  ).start();
  const sent: Sent[] = [];
  for (let i = 0; i < requestsPerSeed; i++) {
    const method = oneOf(['GET', 'POST', 'POST', 'PATCH', 'PUT', 'DELETE']) ?? 'GET';
    const request = {
      id: `${seed}-${i}`,
      method,
      hasKey: random() < 0.2,
      body: 'x'.repeat(Math.floor(random() * 2000)),
    };
    sent.push(request);
    await ask(proxy, request);
  }
  return { sent, backends };
}

/** Sends the request, its body now and then in a piece of its own, and waits for what becomes of it. */
async function ask(proxy: ProxyParts, { id, method, hasKey, body }: Sent): Promise<void> {
  const client = await RawConnection.open(proxy.port());
  const before = proxy.finished.length;
  const key = hasKey ? `idempotency-key: ${id}\r\n` : '';
  const head = `${method} /${id} HTTP/1.1\r\nhost: a\r\n${key}content-length: ${body.length}\r\n\r\n`;
  if (body.length % 2 === 0) {
    client.send(head + body);
  } else {
    client.send(head);
    await new Promise((resolve) => setImmediate(resolve));
    client.send(body);
  }
  await until(() => proxy.finished.length > before);
  client.reset();
}

describe.each([1, 2, 3, 4, 5, 6])('whatever hosts do to requests (seed %i)', (seed) => {
  test('no host sees one twice that may not be repeated, and every one it sees is whole', async () => {
    const { sent, backends } = await run(seed);
    const seen = backends.flatMap(({ requests }) => requests);
    let repeated = 0;
    for (const { id, method, hasKey, body } of sent) {
      const copies = seen.filter(({ startLine }) => startLine === `${method} /${id} HTTP/1.1`);
      expect(copies.every((copy) => copy.body === body)).toBe(true);
      const mayRepeat = hasKey || repeatable.has(method);
      expect(copies.length, `${method} ${id}`).toBeLessThanOrEqual(mayRepeat ? 4 : 1);
      if (copies.length > 1) repeated += 1;
    }
    // Otherwise the hosts were too well-behaved to show anything.
    expect(repeated).toBeGreaterThan(0);
  });
});
