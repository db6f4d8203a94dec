import { describe, expect, test } from 'vitest';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import {
  edsCluster,
  type EndpointJson,
  loadAssignment,
  routeConfiguration,
  routeTo,
} from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';

interface Setting {
  readonly proxy: ProxyParts;
  readonly setEndpoints: (...endpoints: readonly EndpointJson[]) => void;
  readonly stats: (...names: readonly string[]) => Record<string, number | undefined>;
}

async function start(): Promise<Setting> {
  const proxy = closeAfterTest(
    new ProxyParts({ routes: routeConfiguration([routeTo('reviews')]), clusters: [edsCluster('reviews')] }),
  );
  await proxy.start();
  const valueOf = (name: string) => proxy.stats.entries().find((stat) => stat.name === name)?.value;
  return {
    proxy,
    setEndpoints: (...endpoints) => proxy.updateAssignment(loadAssignment('reviews', endpoints)),
    stats: (...names) => Object.fromEntries(names.map((name) => [name, valueOf(`cluster.reviews.${name}`)])),
  };
}

const startBackend = async (): Promise<Backend> => closeAfterTest(await Backend.start());

describe('upstream_cx_rx_bytes_total and upstream_cx_tx_bytes_total', () => {
  /** As its socket counts them. */
  function bytesOf(backend: Backend): object {
    const sockets = [...backend.sockets];
    return {
      upstream_cx_rx_bytes_total: sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
      upstream_cx_tx_bytes_total: sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
    };
  }
  const names = ['upstream_cx_rx_bytes_total', 'upstream_cx_tx_bytes_total'] as const;

  test.each([
    ['heads', 0],
    ['bodies that are joined to their head', 100],
    ['bodies that are written as they are', 300_000],
  ])('count %s, while the connection is open', async (_what, bodyBytes) => {
    const backend = await startBackend();
    backend.respond = (request, response) => {
      request.resume();
      request.on('end', () => response.end('y'.repeat(2 * bodyBytes)));
    };
    const { proxy, setEndpoints, stats } = await start();
    setEndpoints(backend.port);
    for (let i = 0; i < 2; i++) {
      const answer = await call(proxy.port(), { method: 'POST', body: 'x'.repeat(bodyBytes) });
      expect(answer.body).toHaveLength(2 * bodyBytes);
    }
    expect(backend.sockets.size).toBe(1);
    expect(stats(...names)).toEqual(bytesOf(backend));
    expect(stats(...names)['upstream_cx_tx_bytes_total']).toBeGreaterThan(2 * bodyBytes);
  });

  test('count what chunks are framed by', async () => {
    const backend = await startBackend();
    const { proxy, setEndpoints, stats } = await start();
    setEndpoints(backend.port);
    const client = await RawConnection.open(proxy.port());
    client.send('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    expect((await client.readResponse()).status).toBe(200);
    expect(stats(...names)).toEqual(bytesOf(backend));
  });

  test('keep what closed connections have carried', async () => {
    const backend = await startBackend();
    const { proxy, setEndpoints, stats } = await start();
    setEndpoints(backend.port);
    await call(proxy.port());
    const carried = stats(...names);
    setEndpoints();
    await until(() => backend.sockets.size === 0);
    expect(stats(...names)).toEqual(carried);
  });
});

test('downstream_cx_rx_bytes_total and downstream_cx_tx_bytes_total count the other side', async () => {
  const backend = await startBackend();
  const { proxy, setEndpoints } = await start();
  setEndpoints(backend.port);
  const client = await RawConnection.open(proxy.port());
  const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
  client.send(request);
  await until(() => client.unread.endsWith('}'));
  const values = proxy.stats.entries().filter(({ name }) => /\.downstream_cx_[rt]x_bytes_total$/.test(name));
  expect(values.map(({ value }) => value)).toEqual([request.length, client.unread.length]);
});

describe('membership_change', () => {
  test('counts updates by which hosts came or went, and no others', async () => {
    const { setEndpoints, stats } = await start();
    const changes = (): number | undefined => stats('membership_change')['membership_change'];
    const seen: (number | undefined)[] = [];
    for (const endpoints of [
      [],
      [81, 82],
      [82, 81],
      [{ port: 81, load_balancing_weight: 2 }, 82],
      [82, 83],
      [83],
      [],
    ]) {
      setEndpoints(...endpoints);
      seen.push(changes());
    }
    expect(seen).toEqual([0, 1, 1, 1, 2, 3, 4]);
  });
});

describe('update_…', () => {
  const names = ['update_attempt', 'update_success', 'update_no_rebuild'] as const;

  test('EDS is asked from the start, and again with each answer', async () => {
    const { setEndpoints, stats } = await start();
    expect(stats(...names)).toEqual({ update_attempt: 1, update_success: 0, update_no_rebuild: 0 });
    setEndpoints(81);
    setEndpoints(82);
    expect(stats(...names)).toEqual({ update_attempt: 3, update_success: 2, update_no_rebuild: 0 });
  });

  test('an answer that repeats the last one rebuilds nothing: the round goes on', async () => {
    const backends = [await startBackend(), await startBackend(), await startBackend()];
    const ports = backends.map(({ port }) => port);
    const { proxy, setEndpoints, stats } = await start();
    setEndpoints(...ports);
    for (let i = 0; i < 9; i++) {
      await call(proxy.port());
      setEndpoints(...ports);
    }
    expect(backends.map(({ requests }) => requests)).toEqual([3, 3, 3]);
    expect(stats(...names)).toEqual({ update_attempt: 11, update_success: 10, update_no_rebuild: 9 });
    setEndpoints(...ports.slice(1));
    setEndpoints(...ports);
    expect(stats('update_no_rebuild')).toEqual({ update_no_rebuild: 9 });
  });
});

test('lb_healthy_panic counts the requests that go to hosts of which too few are healthy', async () => {
  const backend = await startBackend();
  const { proxy, setEndpoints, stats } = await start();
  setEndpoints(backend.port);
  await call(proxy.port());
  expect(stats('lb_healthy_panic')).toEqual({ lb_healthy_panic: 0 });
  setEndpoints({ port: backend.port, health_status: 'UNHEALTHY' });
  for (let i = 0; i < 3; i++) expect((await call(proxy.port())).status).toBe(200);
  expect(stats('lb_healthy_panic')).toEqual({ lb_healthy_panic: 3 });
});
