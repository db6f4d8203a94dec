import { describe, expect, test } from 'vitest';
import type { Cluster, RouteAction } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { bootstrapText, httpListener, routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { startProxy } from '../../support/in-process-proxy.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { RawBackend, okResponse } from '../../support/raw-backend.ts';
import { RawConnection, type RawResponse } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';

interface Setting {
  readonly action?: RouteAction;
  readonly cluster?: Cluster;
  readonly direction?: 'INBOUND' | 'OUTBOUND';
}

/** A listener of an application's own sidecar, unless told otherwise, before one backend. */
async function start({ action, cluster, direction = 'OUTBOUND' }: Setting = {}) {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  const clock = new ManualClock();
  const routes = routeConfiguration([routeTo('backend', action)]);
  const { port } = await startProxy(
    bootstrapText([httpListener({ direction, routes })], [staticCluster('backend', [backend.port], cluster)]),
    { clock, random: () => 0 },
  );
  const client = closeAfterTest(await RawConnection.open(port));
  /** One request; the clock is turned until it is answered, and `durationMs` is what that took on it. */
  const get = async (...headers: readonly string[]): Promise<RawResponse & { readonly durationMs: number }> => {
    const startMs = clock.monotonicMs();
    let response: RawResponse | undefined;
    void client.get('/', headers.map((line) => `${line}\r\n`).join('')).then((got) => (response = got));
    await until(() => {
      if (response === undefined) clock.advance(10);
      return response !== undefined;
    });
    if (response === undefined) throw new Error('no response');
    return { ...response, durationMs: clock.monotonicMs() - startMs };
  };
  return { backend, clock, client, get };
}

const status = (code: number, ...headers: readonly string[]): string =>
  [`HTTP/1.1 ${code} Status`, 'content-length: 0', ...headers, '', ''].join('\r\n');

/** Answers with `answers` in turn, the last one again and again; `undefined` keeps silent. */
function answerInTurn(backend: RawBackend, ...answers: readonly (string | undefined)[]): void {
  let next = 0;
  backend.onRequest = (connection) => {
    const answer = answers[Math.min(next++, answers.length - 1)];
    if (answer !== undefined) connection.send(answer);
  };
}

const silently = (backend: RawBackend): void => answerInTurn(backend, undefined);

describe('a request of the own application says how it is retried', () => {
  test.each([
    ['5xx', 503],
    ['gateway-error', 502],
    ['retriable-4xx', 409],
  ])('x-envoy-retry-on: %s repeats a %i once, which is the default', async (condition, code) => {
    const { backend, get } = await start();
    answerInTurn(backend, status(code), okResponse);
    expect((await get(`x-envoy-retry-on: ${condition}`)).status).toBe(200);
    backend.clear();
    answerInTurn(backend, status(code), status(code), okResponse);
    expect((await get(`x-envoy-retry-on: ${condition}`)).status).toBe(code);
    backend.clear();
    answerInTurn(backend, status(code), okResponse);
    expect((await get()).status).toBe(code);
  });

  test.each([
    ['0', 1],
    ['3', 4],
    ['many', 2],
  ])('x-envoy-max-retries: %s makes %i attempts', async (retries, attempts) => {
    const { backend, get } = await start();
    answerInTurn(backend, status(503));
    expect((await get('x-envoy-retry-on: 5xx', `x-envoy-max-retries: ${retries}`)).status).toBe(503);
    expect(backend.requests).toHaveLength(attempts);
  });

  test('x-envoy-max-retries changes the number of a route that retries, and starts nothing on one that does not', async () => {
    const retrying = await start({ action: { retry_policy: { retry_on: '5xx', num_retries: 1 } } });
    answerInTurn(retrying.backend, status(503));
    await retrying.get('X-Envoy-Max-Retries: 2');
    expect(retrying.backend.requests).toHaveLength(3);
    const plain = await start();
    answerInTurn(plain.backend, status(503));
    await plain.get('x-envoy-max-retries: 2');
    expect(plain.backend.requests).toHaveLength(1);
  });

  test.each([
    ['x-envoy-retriable-status-codes: 418, x, 429', 'retriable-status-codes', status(429)],
    ['x-envoy-retriable-header-names: X-Again, x-other', 'retriable-headers', status(200, 'x-again: please')],
  ])('%s says what is retriable', async (header, condition, first) => {
    const { backend, get } = await start();
    answerInTurn(backend, first, okResponse);
    expect((await get(header, `x-envoy-retry-on: ${condition}`)).body).toBe('ok');
    backend.clear();
    answerInTurn(backend, status(404), okResponse);
    expect((await get(header, `x-envoy-retry-on: ${condition}`)).status).toBe(404);
  });

  test('x-envoy-retry-grpc-on repeats a status of gRPC; each header knows its own words', async () => {
    const { backend, get } = await start();
    const unavailable = status(200, 'grpc-status: 14');
    answerInTurn(backend, unavailable, okResponse);
    expect((await get('x-envoy-retry-grpc-on: cancelled,unavailable')).body).toBe('ok');
    backend.clear();
    answerInTurn(backend, unavailable, okResponse);
    expect((await get('x-envoy-retry-on: unavailable')).body).toBe('');
  });

  test('what the route retries is added to, and a route that allows some requests only goes on to', async () => {
    const retriable_request_headers = [{ name: 'x-safe', present_match: true }];
    const { backend, get } = await start({
      action: { retry_policy: { retry_on: 'retriable-4xx', retriable_request_headers } },
    });
    answerInTurn(backend, status(503), okResponse);
    expect((await get('x-envoy-retry-on: 5xx')).status).toBe(503);
    for (const code of [503, 409]) {
      backend.clear();
      answerInTurn(backend, status(code), okResponse);
      expect((await get('x-envoy-retry-on: 5xx', 'x-safe: 1')).status).toBe(200);
    }
  });

  test('a response that says x-envoy-ratelimited is not repeated, unless that is asked for', async () => {
    const { backend, get } = await start();
    answerInTurn(backend, status(503, 'x-envoy-ratelimited: true'), okResponse);
    expect((await get('x-envoy-retry-on: 5xx')).status).toBe(503);
    backend.clear();
    answerInTurn(backend, status(503, 'x-envoy-ratelimited: true'), okResponse);
    expect((await get('x-envoy-retry-on: envoy-ratelimited')).status).toBe(200);
  });
});

describe('a request of the own application says how long it may take', () => {
  test('x-envoy-upstream-rq-timeout-ms takes the place of the timeout of its route, also for longer', async () => {
    const { backend, get } = await start({ action: { timeout: '1s' } });
    silently(backend);
    const short = await get('x-envoy-upstream-rq-timeout-ms: 200');
    expect(short.status).toBe(504);
    expect(short.durationMs).toBeLessThan(400);
    expect(backend.requests[0]?.headers).toContainEqual(['x-envoy-expected-rq-timeout-ms', '200']);
    const long = await get('x-envoy-upstream-rq-timeout-ms: 3000');
    expect(long.durationMs).toBeGreaterThanOrEqual(3_000);
    const unreadable = await get('x-envoy-upstream-rq-timeout-ms: soon');
    expect(unreadable.durationMs).toBeLessThan(1_300);
  });

  test('x-envoy-upstream-rq-timeout-alt-response makes it 204 instead of 504, and nothing else', async () => {
    const { backend, get } = await start({ action: { timeout: '0.2s' } });
    silently(backend);
    const { status: code, headers } = await get('x-envoy-upstream-rq-timeout-alt-response: 1');
    expect(code).toBe(204);
    expect(headers['x-heddle-reason']).toBe('UT no response within 200 ms');
    backend.clear();
    answerInTurn(backend, status(503));
    expect((await get('x-envoy-upstream-rq-timeout-alt-response: 1')).status).toBe(503);
  });

  test('x-envoy-upstream-rq-per-try-timeout-ms bounds each attempt, with or without retries', async () => {
    const { backend, get } = await start({ action: { timeout: '5s' } });
    answerInTurn(backend, undefined, okResponse);
    const retried = await get('x-envoy-upstream-rq-per-try-timeout-ms: 300', 'x-envoy-retry-on: 5xx');
    expect(retried.status).toBe(200);
    expect(backend.requests).toHaveLength(2);
    backend.clear();
    silently(backend);
    const once = await get(
      'x-envoy-upstream-rq-per-try-timeout-ms: 300',
      'x-envoy-upstream-rq-timeout-alt-response: 1',
    );
    expect(once.status).toBe(204);
    expect(once.durationMs).toBeLessThan(500);
    expect(backend.requests).toHaveLength(1);
  });

  test('x-envoy-hedge-on-per-try-timeout lets the slow attempt go on beside the next one, or forbids it', async () => {
    const asked = ['x-envoy-upstream-rq-per-try-timeout-ms: 300', 'x-envoy-retry-on: 5xx'];
    const { backend, get } = await start();
    silently(backend);
    // The first attempt answers once the second has come.
    backend.onRequest = () => {
      if (backend.requests.length === 2) backend.connections[0]?.send(okResponse);
    };
    expect((await get(...asked, 'x-envoy-hedge-on-per-try-timeout: true')).status).toBe(200);
    const forbidding = await start({ action: { hedge_policy: { hedge_on_per_try_timeout: true }, timeout: '2s' } });
    forbidding.backend.onRequest = () => {
      if (forbidding.backend.requests.length === 2) forbidding.backend.connections[0]?.send(okResponse);
    };
    expect((await forbidding.get(...asked, 'x-envoy-hedge-on-per-try-timeout: false')).status).toBe(504);
  });
});

const everyControl = [
  'x-envoy-max-retries: 3',
  'x-envoy-retry-on: 5xx',
  'x-envoy-retry-grpc-on: internal',
  'x-envoy-retriable-status-codes: 404',
  'x-envoy-retriable-header-names: x-a',
  'x-envoy-upstream-rq-timeout-ms: 100',
  'x-envoy-upstream-rq-per-try-timeout-ms: 50',
  'x-envoy-upstream-rq-timeout-alt-response: 1',
  'X-Envoy-Hedge-On-Per-Try-Timeout: true',
];

describe('control headers', () => {
  test.each(['OUTBOUND', 'INBOUND'] as const)('do not go upstream (%s)', async (direction) => {
    const { backend, get } = await start({ direction });
    expect((await get(...everyControl, 'x-envoy-other: 1')).status).toBe(200);
    const names = backend.requests[0]?.headers.map(([name]) => name.toLowerCase()) ?? [];
    expect(names.filter((name) => name.startsWith('x-envoy-'))).toEqual(
      direction === 'OUTBOUND' ? ['x-envoy-other', 'x-envoy-expected-rq-timeout-ms'] : ['x-envoy-other'],
    );
  });

  test('of others are not obeyed: only the own application has a say', async () => {
    const { backend, get } = await start({ direction: 'INBOUND', action: { timeout: '1s' } });
    answerInTurn(backend, status(503), undefined);
    expect((await get(...everyControl)).status).toBe(503);
    const silent = await get(...everyControl);
    expect(silent.status).toBe(504);
    expect(silent.durationMs).toBeGreaterThanOrEqual(1_000);
  });

  test('of one request say nothing about the next one on its connection', async () => {
    const { backend, get } = await start();
    answerInTurn(backend, status(503), okResponse, status(503));
    expect((await get(...everyControl)).status).toBe(200);
    expect((await get()).status).toBe(503);
    expect(backend.requests).toHaveLength(3);
  });
});

test('a request that a circuit breaker keeps back says x-envoy-overloaded', async () => {
  const { get } = await start({ cluster: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } } });
  const { status: code, headers } = await get();
  expect(code).toBe(503);
  expect(headers['x-envoy-overloaded']).toBe('true');
});
