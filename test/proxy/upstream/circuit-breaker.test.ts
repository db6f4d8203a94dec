import type http from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { CircuitBreakers_Thresholds as Thresholds, Cluster } from '../../../proxy/api/envoy.gen.ts';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { until } from '../../support/turns.ts';

/** A proxy in front of one backend that answers when it is told to. */
class Guarded {
  readonly clock = new ManualClock();
  readonly #waiting: http.ServerResponse[] = [];
  readonly backend: Backend;
  readonly proxy: ProxyParts;

  private constructor(backend: Backend, proxy: (clock: ManualClock) => ProxyParts) {
    this.backend = backend;
    this.proxy = proxy(this.clock);
    backend.respond = (_request, response) => void this.#waiting.push(response);
  }

  static async start(thresholds: Thresholds, cluster: Cluster = {}): Promise<Guarded> {
    const backend = closeAfterTest(await Backend.start());
    const json = staticCluster('backend', [backend.port], {
      circuit_breakers: { thresholds: [thresholds] },
      ...cluster,
    });
    const guarded = new Guarded(
      backend,
      (clock) => new ProxyParts({ routes: routeConfiguration([routeTo('backend')]), clusters: [json], clock }),
    );
    await closeAfterTest(guarded.proxy).start();
    return guarded;
  }

  /** Has the backend answer what it was asked first. */
  async answer(): Promise<void> {
    await until(() => this.#waiting.length > 0);
    this.#waiting.shift()?.end('done');
  }

  stat(name: string): number {
    return this.proxy.stat(`cluster.backend.${name}`) ?? Number.NaN;
  }
}

const overflow = (limit: string) => ({
  status: 503,
  headers: { 'x-heddle-reason': `UO the circuit breaker of cluster backend is open: ${limit} is reached` },
});

describe('beyond a limit requests fail at once, with 503 and UO', () => {
  test('max_requests: so many are under way', async () => {
    const guarded = await Guarded.start({ max_requests: 2, track_remaining: true });
    const running = [call(guarded.proxy.port()), call(guarded.proxy.port())];
    await until(() => guarded.stat('upstream_rq_active') === 2);
    expect(guarded.stat('circuit_breakers.default.rq_open')).toBe(1);
    expect(guarded.stat('circuit_breakers.default.remaining_rq')).toBe(0);
    expect(await call(guarded.proxy.port())).toMatchObject(overflow('max_requests'));
    expect(guarded.stat('upstream_rq_pending_overflow')).toBe(1);
    expect(guarded.proxy.finished.at(-1)?.flag).toBe('UO');
    await guarded.answer();
    await guarded.answer();
    for (const answer of running) expect((await answer).status).toBe(200);
    expect(guarded.stat('circuit_breakers.default.rq_open')).toBe(0);
    expect(guarded.stat('circuit_breakers.default.remaining_rq')).toBe(2);
  });

  test('max_connections and max_pending_requests: one is served, one waits, the third is one too many', async () => {
    const guarded = await Guarded.start({ max_connections: 1, max_pending_requests: 1, track_remaining: true });
    const first = call(guarded.proxy.port());
    await until(() => guarded.stat('upstream_rq_active') === 1);
    const second = call(guarded.proxy.port());
    await until(() => guarded.stat('upstream_rq_pending_active') === 1);
    expect(guarded.stat('upstream_cx_overflow')).toBe(1);
    expect(guarded.stat('circuit_breakers.default.cx_open')).toBe(1);
    expect(guarded.stat('circuit_breakers.default.rq_pending_open')).toBe(1);
    expect(guarded.stat('circuit_breakers.default.remaining_cx')).toBe(0);
    expect(guarded.stat('circuit_breakers.default.remaining_pending')).toBe(0);
    expect(await call(guarded.proxy.port())).toMatchObject(overflow('max_pending_requests'));
    await guarded.answer();
    expect((await first).status).toBe(200);
    await guarded.answer();
    expect((await second).status).toBe(200);
    expect(guarded.backend.connectionsTotal).toBe(1);
    expect(guarded.stat('upstream_rq_pending_active')).toBe(0);
  });
});

describe('a request that waits for a connection', () => {
  test('is served by the connection that is free first, in the order of arrival', async () => {
    const guarded = await Guarded.start({ max_connections: 1 });
    const order: number[] = [];
    const calls: Promise<void>[] = [];
    for (let i = 0; i < 4; i++) {
      calls.push(call(guarded.proxy.port()).then(() => void order.push(i)));
      await until(() => guarded.stat('upstream_rq_pending_active') + guarded.stat('upstream_rq_active') === i + 1);
    }
    for (let i = 0; i < 4; i++) await guarded.answer();
    await Promise.all(calls);
    expect(order).toEqual([0, 1, 2, 3]);
    expect(guarded.backend.connectionsTotal).toBe(1);
  });

  test('gets a new connection when the busy one closes', async () => {
    const guarded = await Guarded.start({ max_connections: 1 }, { max_requests_per_connection: 1 });
    const first = call(guarded.proxy.port());
    await until(() => guarded.stat('upstream_rq_active') === 1);
    const second = call(guarded.proxy.port());
    await until(() => guarded.stat('upstream_rq_pending_active') === 1);
    await guarded.answer();
    await guarded.answer();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    expect(guarded.backend.connectionsTotal).toBe(2);
  });

  test('leaves the queue with its client', async () => {
    const guarded = await Guarded.start({ max_connections: 1 });
    const first = call(guarded.proxy.port());
    await until(() => guarded.stat('upstream_rq_active') === 1);
    const second = connect(guarded.proxy.port(), '127.0.0.1');
    second.write('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => guarded.stat('upstream_rq_pending_active') === 1);
    second.resetAndDestroy();
    await until(() => guarded.stat('upstream_rq_pending_active') === 0);
    await guarded.answer();
    expect((await first).status).toBe(200);
    expect(guarded.backend.requests).toBe(1);
  });

  test('learns that connecting failed', async () => {
    const guarded = await Guarded.start({});
    await guarded.backend.close();
    expect((await call(guarded.proxy.port())).headers['x-heddle-reason']).toMatch(/^UF /);
    expect(guarded.stat('upstream_rq_pending_failure_eject')).toBe(1);
    expect(guarded.stat('upstream_rq_pending_active')).toBe(0);
    expect(guarded.stat('upstream_rq_active')).toBe(0);
  });
});

describe('the life of a connection', () => {
  test.each([
    [1, 3],
    [2, 2],
    [0, 1],
  ])('with max_requests_per_connection %i three requests use %i connections', async (max, connections) => {
    const guarded = await Guarded.start({}, { common_http_protocol_options: { max_requests_per_connection: max } });
    guarded.backend.respond = (_request, response) => void response.end();
    for (let i = 0; i < 3; i++) expect((await call(guarded.proxy.port())).status).toBe(200);
    expect(guarded.backend.connectionsTotal).toBe(connections);
    expect(guarded.stat('upstream_cx_max_requests')).toBe(max === 0 ? 0 : Math.floor(3 / max));
  });

  test('no request begins on one that is older than max_connection_duration', async () => {
    const guarded = await Guarded.start({}, { common_http_protocol_options: { max_connection_duration: '10s' } });
    guarded.backend.respond = (_request, response) => void response.end();
    await call(guarded.proxy.port());
    guarded.clock.advance(9_000);
    await call(guarded.proxy.port());
    expect(guarded.backend.connectionsTotal).toBe(1);
    guarded.clock.advance(2_000);
    await call(guarded.proxy.port());
    expect(guarded.backend.connectionsTotal).toBe(2);
    expect(guarded.stat('upstream_cx_max_duration_reached')).toBe(1);
  });

  test('one that was idle for too long is counted', async () => {
    const guarded = await Guarded.start({}, { common_http_protocol_options: { idle_timeout: '5s' } });
    guarded.backend.respond = (_request, response) => void response.end();
    await call(guarded.proxy.port());
    guarded.clock.advance(7_000);
    expect(guarded.stat('upstream_cx_idle_timeout')).toBe(1);
  });
});
