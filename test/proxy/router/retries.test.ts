import { describe, expect, test } from 'vitest';
import type {
  Cluster,
  envoy_config_route_v3_RetryPolicy as RetryPolicy,
  Route,
  RouteAction,
} from '../../../proxy/api/envoy.gen.ts';
import type { RawBackend } from '../../support/raw-backend.ts';
import { RawBackend as Backend, okResponse } from '../../support/raw-backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';

const busy = 'HTTP/1.1 503 Busy\r\nx-first: 1\r\ncontent-length: 4\r\n\r\nbusy';
const previousHosts: RetryPolicy = {
  retry_host_predicate: [
    {
      name: 'previous',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
      },
    },
  ],
  host_selection_retry_max_attempts: 5,
};

interface Setting {
  readonly policy: RetryPolicy;
  readonly action?: RouteAction;
  readonly route?: Route;
  readonly cluster?: Cluster;
  readonly backends?: number;
}

interface Scene {
  readonly proxy: ProxyParts;
  readonly clock: ManualClock;
  readonly backends: readonly RawBackend[];
  readonly backend: RawBackend;
}

async function scene({ policy, action, route, cluster, backends: count = 1 }: Setting): Promise<Scene> {
  const clock = new ManualClock();
  const backends = Array.from({ length: count }, () => closeAfterTest(new Backend()));
  for (const backend of backends) await backend.start();
  const routes = routeConfiguration([routeTo('backend', { retry_policy: policy, ...action }, route)]);
  const [host] = routes.virtual_hosts ?? [];
  const ports = backends.map(({ port }) => port);
  const proxy = closeAfterTest(
    new ProxyParts({
      routes: { ...routes, virtual_hosts: [{ ...host, include_request_attempt_count: true }] },
      clusters: [staticCluster('backend', ports, { lb_policy: 'ROUND_ROBIN', ...cluster })],
      clock,
    }),
  );
  const [backend] = backends;
  if (backend === undefined) throw new Error('a scene has a backend');
  return { proxy: await proxy.start(), clock, backends, backend };
}

/** Answers with `answers` in turn, the last one again and again; `undefined` keeps silent. */
function answerInTurn(backend: RawBackend, ...answers: readonly (string | undefined)[]): void {
  let next = 0;
  backend.onRequest = (connection) => {
    const answer = answers[Math.min(next++, answers.length - 1)];
    if (answer !== undefined) connection.send(answer);
  };
}

/** Turns the clock until `condition` holds. */
async function turnUntil({ clock }: Scene, condition: () => boolean, stepMs = 20): Promise<number> {
  const startMs = clock.monotonicMs();
  await until(() => {
    if (condition()) return true;
    clock.advance(stepMs);
    return false;
  });
  return clock.monotonicMs() - startMs;
}

async function answerOf<T>(at: Scene, pending: Promise<T>, stepMs?: number): Promise<T> {
  let isDone = false;
  const settled = pending.finally(() => (isDone = true));
  settled.catch(() => {});
  await turnUntil(at, () => isDone, stepMs);
  return settled;
}

const stat = ({ proxy }: Scene, name: string): number | undefined => proxy.stat(`cluster.backend.${name}`);
const headerOf = (text: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)\r$`, 'm').exec(text)?.[1];

describe('a response that the policy covers', () => {
  test('is dropped, and its connection used again: the client sees the answer to the retry only', async () => {
    const at = await scene({ policy: { retry_on: '5xx' } });
    answerInTurn(at.backend, busy, okResponse);
    const answer = await answerOf(at, call(at.proxy.port()));
    expect(answer).toMatchObject({ status: 200, body: 'ok' });
    expect(answer.headers).not.toHaveProperty('x-first');
    expect(at.backend.connections).toHaveLength(1);
    expect(at.backend.requests).toHaveLength(2);
    expect(stat(at, 'upstream_rq_retry')).toBe(1);
    expect(stat(at, 'upstream_rq_retry_success')).toBe(1);
    expect(at.proxy.finished).toMatchObject([{ status: 200, flag: '-' }]);
  });

  test('costs its connection when the rest of it is still to come', async () => {
    const at = await scene({ policy: { retry_on: '5xx' } });
    answerInTurn(at.backend, 'HTTP/1.1 503 Busy\r\ncontent-length: 1000000\r\n\r\nbusy', okResponse);
    expect((await answerOf(at, call(at.proxy.port()))).status).toBe(200);
    expect(at.backend.connections).toHaveLength(2);
    expect(stat(at, 'upstream_rq_active')).toBe(0);
  });

  test('goes downstream after the last retry, flag URX', async () => {
    const at = await scene({ policy: { retry_on: '5xx', num_retries: 2 } });
    answerInTurn(at.backend, busy);
    const answer = await answerOf(at, call(at.proxy.port()));
    expect(answer).toMatchObject({ status: 503, body: 'busy' });
    expect(at.backend.requests).toHaveLength(3);
    expect(at.proxy.finished).toMatchObject([{ status: 503, flag: 'URX' }]);
    expect(stat(at, 'upstream_rq_retry_limit_exceeded')).toBe(1);
  });

  test('is retried with the whole body, at another host when the policy avoids previous ones', async () => {
    const at = await scene({ policy: { retry_on: '5xx', ...previousHosts }, backends: 3 });
    let attempts = 0;
    for (const backend of at.backends) {
      backend.onRequest = (connection) => connection.send((attempts += 1) < 3 ? busy : okResponse);
    }
    const body = 'x'.repeat(300_000);
    at.proxy.setRoutes(
      routeConfiguration([routeTo('backend', { retry_policy: { retry_on: '5xx', num_retries: 2, ...previousHosts } })]),
    );
    expect((await answerOf(at, call(at.proxy.port(), { method: 'POST', body }))).status).toBe(200);
    for (const backend of at.backends) expect(backend.requests.map(({ body: got }) => got)).toEqual([body]);
  });

  test('is the answer when the body was larger than may be kept', async () => {
    const at = await scene({ policy: { retry_on: '5xx' }, route: { per_request_buffer_limit_bytes: 1000 } });
    answerInTurn(at.backend, busy);
    const answer = await answerOf(at, call(at.proxy.port(), { method: 'POST', body: 'x'.repeat(1001) }));
    expect(answer.status).toBe(503);
    expect(at.backend.requests).toHaveLength(1);
    expect(stat(at, 'retry_or_shadow_abandoned')).toBe(1);
    await answerOf(at, call(at.proxy.port(), { method: 'POST', body: 'x'.repeat(1000) }));
    expect(at.backend.requests).toHaveLength(3);
  });

  test('each attempt carries its number', async () => {
    const at = await scene({ policy: { retry_on: '5xx', num_retries: 2 } });
    answerInTurn(at.backend, busy);
    await answerOf(at, call(at.proxy.port(), { headers: { 'x-envoy-attempt-count': '9' } }));
    const counts = [...(at.backend.connections[0]?.received ?? '').matchAll(/^x-envoy-attempt-count: (\d+)\r$/gm)];
    expect(counts.map(([, count]) => count)).toEqual(['1', '2', '3']);
  });
});

describe('S24: the back-off', () => {
  test('is longer from retry to retry, at most by its full jitter', async () => {
    const at = await scene({ policy: { retry_on: '5xx', num_retries: 3, retry_back_off: { base_interval: '1s' } } });
    answerInTurn(at.backend, busy);
    const answer = call(at.proxy.port());
    const waits: number[] = [];
    for (let n = 1; n <= 3; n++) {
      await until(() => at.backend.requests.length === n && at.proxy.stat('cluster.backend.upstream_rq_5xx') === n);
      waits.push(await turnUntil(at, () => at.backend.requests.length > n));
    }
    expect((await answer).status).toBe(503);
    waits.forEach((waitedMs, i) => expect(waitedMs).toBeLessThanOrEqual((2 ** (i + 1) - 1) * 1000 + 400));
    expect(Math.max(...waits)).toBeGreaterThan(500);
    expect(stat(at, 'upstream_rq_retry_backoff_exponential')).toBe(3);
  });

  test('is what Retry-After says, and up to half more, when the policy honours it', async () => {
    const reset_headers = [{ name: 'retry-after' }];
    const at = await scene({ policy: { retry_on: '5xx', rate_limited_retry_back_off: { reset_headers } } });
    answerInTurn(at.backend, 'HTTP/1.1 503 Busy\r\nretry-after: 10\r\ncontent-length: 0\r\n\r\n', okResponse);
    const answer = call(at.proxy.port());
    await until(() => stat(at, 'upstream_rq_retry_backoff_ratelimited') === 1);
    at.clock.advance(9_900);
    expect(at.backend.requests).toHaveLength(1);
    at.clock.advance(5_200);
    expect((await answer).status).toBe(200);
  });
});

describe('the per-try timeout', () => {
  test('ends one attempt, closes its connection and tries again', async () => {
    const at = await scene({ policy: { retry_on: 'gateway-error', per_try_timeout: '1s' } });
    answerInTurn(at.backend, undefined, okResponse);
    const answer = call(at.proxy.port());
    await until(() => at.backend.requests.length === 1);
    expect(headerOf(at.backend.connections[0]?.received ?? '', 'x-envoy-expected-rq-timeout-ms')).toBe('1000');
    expect((await answerOf(at, answer)).status).toBe(200);
    expect(stat(at, 'upstream_rq_per_try_timeout')).toBe(1);
    await until(() => at.backend.openConnections.length === 1);
    expect(stat(at, 'upstream_rq_active')).toBe(0);
  });

  test('of the last attempt is 504, flags UT and URX', async () => {
    const at = await scene({ policy: { retry_on: 'reset', per_try_timeout: '1s' } });
    answerInTurn(at.backend, undefined);
    const answer = await answerOf(at, call(at.proxy.port()));
    expect(answer).toMatchObject({
      status: 504,
      headers: { 'x-heddle-reason': 'UT no response to one attempt within 1000 ms' },
    });
    expect(at.proxy.finished).toMatchObject([{ flag: 'UT,URX', details: 'upstream_per_try_timeout' }]);
    expect(at.backend.requests).toHaveLength(2);
  });

  test('that the policy does not cover ends the request, and the time of the whole request always does', async () => {
    const at = await scene({ policy: { retry_on: 'connect-failure', per_try_timeout: '1s' } });
    answerInTurn(at.backend, undefined);
    expect((await answerOf(at, call(at.proxy.port()))).status).toBe(504);
    expect(at.backend.requests).toHaveLength(1);
    const whole = await scene({ policy: { retry_on: '5xx', num_retries: 9 }, action: { timeout: '1s' } });
    answerInTurn(whole.backend, undefined);
    expect((await answerOf(whole, call(whole.proxy.port()))).status).toBe(504);
    expect(whole.backend.requests).toHaveLength(1);
    expect(headerOf(whole.backend.connections[0]?.received ?? '', 'x-envoy-expected-rq-timeout-ms')).toBe('1000');
  });

  test('starts when the request is complete, and ends with the head of the response', async () => {
    const at = await scene({ policy: { retry_on: '5xx', per_try_timeout: '1s' } });
    at.backend.onRequest = (connection) => connection.send('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab');
    const client = closeAfterTest(await RawConnection.open(at.proxy.port()));
    client.send('POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nab');
    await until(() => at.backend.connections.length === 1);
    at.clock.advance(5_000);
    client.send('cd');
    await until(() => client.unread.includes('ab'));
    at.clock.advance(5_000);
    at.backend.connections[0]?.send('cd');
    expect(await client.readResponse()).toMatchObject({ status: 200, body: 'abcd' });
    expect(at.backend.requests).toHaveLength(1);
  });

  test('for idleness ends an attempt of which nothing is heard', async () => {
    const at = await scene({ policy: { retry_on: '5xx', per_try_idle_timeout: '1s' } });
    answerInTurn(at.backend, undefined, okResponse);
    expect((await answerOf(at, call(at.proxy.port()))).status).toBe(200);
    expect(stat(at, 'upstream_rq_per_try_idle_timeout')).toBe(1);
    expect(at.proxy.finished).toMatchObject([{ flag: '-', details: 'via_upstream' }]);
  });

  test('for idleness is the reason of a request that had no other attempt left', async () => {
    const at = await scene({ policy: { retry_on: 'connect-failure', per_try_idle_timeout: '1s' } });
    answerInTurn(at.backend, undefined);
    expect((await answerOf(at, call(at.proxy.port()))).status).toBe(504);
    expect(at.proxy.finished).toMatchObject([{ flag: 'UT', details: 'upstream_per_try_idle_timeout' }]);
  });
});

describe('hedging', () => {
  const hedged: Setting = {
    policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '1s' },
    action: { hedge_policy: { hedge_on_per_try_timeout: true } },
    backends: 2,
  };
  const requestsOf = ({ backends }: Scene): number => backends.reduce((sum, { requests }) => sum + requests.length, 0);

  test('lets a slow attempt go on beside the next: the first good answer wins, the other attempt ends', async () => {
    const at = await scene(hedged);
    for (const backend of at.backends) answerInTurn(backend, undefined);
    const answer = call(at.proxy.port());
    await turnUntil(at, () => requestsOf(at) === 2);
    const [slow] = at.backends.filter(({ requests }) => requests.length > 0);
    expect(slow?.openConnections).toHaveLength(1);
    slow?.openConnections[0]?.send(okResponse);
    expect(await answer).toMatchObject({ status: 200, body: 'ok' });
    await until(() => at.backends.flatMap(({ openConnections }) => openConnections).length === 1);
    expect(stat(at, 'upstream_rq_active')).toBe(0);
  });

  test('passes over a bad answer while a better one may come', async () => {
    const at = await scene({ ...hedged, policy: { ...hedged.policy, num_retries: 1 } });
    for (const backend of at.backends) answerInTurn(backend, undefined);
    const answer = call(at.proxy.port());
    await turnUntil(at, () => requestsOf(at) === 2);
    at.backends[1]?.openConnections[0]?.send(busy);
    await until(() => stat(at, 'upstream_rq_5xx') === 1);
    expect(at.proxy.finished).toEqual([]);
    at.backends[0]?.openConnections[0]?.send(okResponse);
    expect(await answer).toMatchObject({ status: 200, body: 'ok' });
  });

  test('begins no second attempt once the first has answered, however long its body takes', async () => {
    const back_off = { retry_back_off: { base_interval: '100s' } };
    const at = await scene({ ...hedged, policy: { ...hedged.policy, ...back_off } });
    for (const backend of at.backends) answerInTurn(backend, undefined);
    const client = closeAfterTest(await RawConnection.open(at.proxy.port()));
    client.send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
    await turnUntil(at, () => stat(at, 'upstream_rq_per_try_timeout') === 1);
    const slow = at.backends.flatMap(({ openConnections }) => openConnections)[0];
    slow?.send('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab');
    await until(() => client.unread.includes('ab'));
    at.clock.advance(200_000);
    slow?.send('cd');
    expect(await client.readResponse()).toMatchObject({ status: 200, body: 'abcd' });
    expect(requestsOf(at)).toBe(1);
  });

  test('leaves nothing for the next request on the same stream', async () => {
    const at = await scene(hedged);
    const client = closeAfterTest(await RawConnection.open(at.proxy.port()));
    for (let round = 0; round < 3; round++) {
      for (const backend of at.backends) answerInTurn(backend, undefined, okResponse);
      const before = requestsOf(at);
      client.send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
      await turnUntil(at, () => requestsOf(at) === before + 2);
      at.backends[round % 2]?.openConnections.at(-1)?.send(okResponse);
      expect(await client.readResponse()).toMatchObject({ status: 200, body: 'ok' });
      for (const backend of at.backends) backend.clear();
      expect(await client.get()).toMatchObject({ status: 200, body: 'ok' });
    }
    expect(at.proxy.finished).toHaveLength(6);
  });
});

describe('B2: the retry budget', () => {
  const budget = (percent: number, min: number): Cluster => ({
    circuit_breakers: {
      thresholds: [{ retry_budget: { budget_percent: { value: percent }, min_retry_concurrency: min } }],
    },
  });

  test('lets no more retries run than its share: the rest gets its first answer, flag URX', async () => {
    const at = await scene({
      policy: { retry_on: '5xx', retry_back_off: { base_interval: '1s' } },
      cluster: budget(0, 3),
    });
    answerInTurn(at.backend, busy);
    const answers = Array.from({ length: 10 }, () => call(at.proxy.port()));
    await until(() => stat(at, 'upstream_rq_retry_overflow') === 7);
    expect(at.proxy.finished.map(({ flag }) => flag)).toEqual(Array.from({ length: 7 }, () => 'URX'));
    for (const answer of answers) expect((await answerOf(at, answer)).status).toBe(503);
    expect(at.backend.requests).toHaveLength(13);
  });

  test('gives back what a retry used', async () => {
    const at = await scene({ policy: { retry_on: '5xx' }, cluster: budget(0, 1) });
    for (let i = 0; i < 5; i++) {
      answerInTurn(at.backend, busy, okResponse);
      expect((await answerOf(at, call(at.proxy.port()))).status).toBe(200);
    }
    expect(stat(at, 'upstream_rq_retry_overflow')).toBe(0);
  });
});

describe('the idle timeout of a route', () => {
  test('replaces that of the connection manager: 504, flag SI', async () => {
    const at = await scene({ policy: {}, action: { idle_timeout: '2s' } });
    answerInTurn(at.backend, undefined);
    expect((await answerOf(at, call(at.proxy.port()), 200)).status).toBe(504);
    expect(at.proxy.finished).toMatchObject([{ flag: 'SI' }]);
    expect(at.clock.monotonicMs()).toBeLessThan(60_000);
  });
});

test('a policy for some requests leaves the others as they are', async () => {
  const retriable_request_headers = [
    {
      name: 'content-type',
      string_match: { prefix: 'application/grpc' },
      invert_match: true,
      treat_missing_header_as_empty: true,
    },
  ];
  const at = await scene({ policy: { retry_on: '5xx', retriable_request_headers } });
  answerInTurn(at.backend, busy, okResponse);
  expect((await answerOf(at, call(at.proxy.port(), { headers: { 'content-type': 'application/grpc' } }))).status).toBe(
    503,
  );
  answerInTurn(at.backend, busy, okResponse);
  expect((await answerOf(at, call(at.proxy.port()))).status).toBe(200);
});
