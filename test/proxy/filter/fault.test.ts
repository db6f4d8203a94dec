import { describe, expect, test } from 'vitest';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import type { HTTPFault } from '../../../proxy/api/envoy.gen.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { bootstrapText, httpListener, routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { startProxy } from '../../support/in-process-proxy.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';

const always = { numerator: 100 };
const faultName = 'envoy.filters.http.fault';
const faultType = typeUrlOf('envoy.extensions.filters.http.fault.v3.HTTPFault');
const router = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': typeUrlOf('envoy.extensions.filters.http.router.v3.Router') },
};

/** A proxy with `inChain` in its filter chain and, where given, `onRoute` on its only route. */
async function start(inChain: HTTPFault, onRoute?: HTTPFault) {
  const backend = closeAfterTest(await Backend.start());
  const configs =
    onRoute === undefined ? {} : { typed_per_filter_config: { [faultName]: { '@type': faultType, ...onRoute } } };
  const manager = { http_filters: [{ name: faultName, typed_config: { '@type': faultType, ...inChain } }, router] };
  const routes = routeConfiguration([routeTo('backend', {}, configs)]);
  const text = bootstrapText([httpListener({ routes, manager })], [staticCluster('backend', [backend.port])]);
  const { server, port } = await startProxy(text);
  const stat = (name: string): number | undefined =>
    server.stats.entries().find((each) => each.name === `http.test.fault.${name}`)?.value;
  return { port, backend, stat };
}

describe('the fault filter', () => {
  test('delays a request with its body, which arrives whole', async () => {
    const { port, stat } = await start({ delay: { fixed_delay: '0.1s', percentage: always } });
    const startMs = performance.now();
    const answer = await call(port, { method: 'POST', body: 'all of it' });
    expect(echoOf(answer).body).toBe('all of it');
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(99);
    expect([stat('delays_injected'), stat('active_faults')]).toEqual([1, 0]);
  });

  test('forgets a delayed request whose client has gone', async () => {
    const { port, backend, stat } = await start({ delay: { fixed_delay: '60s', percentage: always } });
    const client = await RawConnection.open(port);
    client.send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => stat('active_faults') === 1);
    client.reset();
    await until(() => stat('active_faults') === 0);
    expect(backend.requests).toBe(0);
  });

  test('keeps an aborted connection for the next request', async () => {
    const { port, backend, stat } = await start({ abort: { http_status: 503, percentage: always } });
    const client = closeAfterTest(await RawConnection.open(port));
    for (let i = 0; i < 3; i++)
      expect(await client.get('/')).toMatchObject({ status: 503, body: 'fault filter abort' });
    expect(stat('aborts_injected')).toBe(3);
    expect(backend.requests).toBe(0);
  });

  test('of a route takes the place of that of the chain', async () => {
    const abort = (http_status: number): HTTPFault => ({ abort: { http_status, percentage: always } });
    const { port } = await start(abort(500), abort(418));
    expect((await call(port)).status).toBe(418);
  });

  test('leaves requests alone that do not have its headers', async () => {
    const headers = [{ name: 'x-fault', string_match: { exact: 'yes' } }];
    const { port } = await start({ abort: { http_status: 500, percentage: always }, headers });
    expect((await call(port)).status).toBe(200);
    expect((await call(port, { headers: { 'x-fault': 'yes' } })).status).toBe(500);
  });

  test('has no more faults at a time than it may', async () => {
    const { port, stat } = await start({ delay: { fixed_delay: '60s', percentage: always }, max_active_faults: 1 });
    const held = await RawConnection.open(port);
    held.send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => stat('active_faults') === 1);
    expect((await call(port)).status).toBe(200);
    expect(stat('faults_overflow')).toBe(1);
    held.reset();
    await until(() => stat('active_faults') === 0);
  });
});
