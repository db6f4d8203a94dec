import { describe, expect, test } from 'vitest';
import { Backend, echo, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { edsCluster, loadAssignment, routeConfiguration, routeTo } from '../../support/envoy-json.ts';
import { type Answer, call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';

interface Setting {
  readonly proxy: ProxyParts;
  readonly backends: readonly Backend[];
  readonly setEndpoints: (...backends: readonly Backend[]) => void;
}

async function start(...names: readonly string[]): Promise<Setting> {
  const backends: Backend[] = [];
  for (const name of names) backends.push(closeAfterTest(await Backend.start(name)));
  const proxy = closeAfterTest(
    new ProxyParts({ routes: routeConfiguration([routeTo('reviews')]), clusters: [edsCluster('reviews')] }),
  );
  await proxy.start();
  const setEndpoints = (...given: readonly Backend[]): void =>
    proxy.updateAssignment(
      loadAssignment(
        'reviews',
        given.map(({ port }) => port),
      ),
    );
  setEndpoints(...backends);
  return { proxy, backends, setEndpoints };
}

/** Calls until `stop`; all answers so far are in `answers`. */
function keepCalling(port: number): { readonly answers: readonly Answer[]; readonly stop: () => Promise<void> } {
  const answers: Answer[] = [];
  const stopped = new AbortController();
  const worker = async (): Promise<void> => {
    while (!stopped.signal.aborted) answers.push(await call(port));
  };
  const done = Promise.all([worker(), worker(), worker(), worker()]);
  const stop = async (): Promise<void> => {
    stopped.abort();
    await done;
  };
  return { answers, stop };
}

test('endpoints come and go while requests flow, and none fails', async () => {
  const { proxy, backends, setEndpoints } = await start('a', 'b', 'c');
  const [a, b, c] = backends as [Backend, Backend, Backend];
  const { answers, stop } = keepCalling(proxy.port());
  const sets = [[a], [b, c], [c], [a, b], [a, b, c], [b]];
  for (let round = 0; round < 60 || answers.length < 200; round++) {
    setEndpoints(...(sets[round % sets.length] ?? []));
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await stop();
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(new Set(answers.map((answer) => echoOf(answer).name))).toEqual(new Set(['a', 'b', 'c']));
});

test('a removed host finishes its request and then loses its connection; new requests go elsewhere', async () => {
  const { proxy, backends, setEndpoints } = await start('old', 'new');
  const [old, other] = backends as [Backend, Backend];
  setEndpoints(old);
  let finish = (): void => {};
  old.respond = (request, response) => {
    response.write('begun ');
    finish = () => response.end('and finished');
    request.resume();
  };
  const running = call(proxy.port());
  await until(() => old.requests === 1);
  const host = proxy.clusters.get('reviews')!.hosts[0]!;
  setEndpoints(other);
  expect(echoOf(await call(proxy.port())).name).toBe('new');
  expect({ isRemoved: host.isRemoved, connections: old.sockets.size }).toEqual({ isRemoved: true, connections: 1 });
  finish();
  expect((await running).body).toBe('begun and finished');
  await until(() => old.sockets.size === 0);
  expect({ connections: host.activeConnections, requests: host.activeRequests }).toEqual({
    connections: 0,
    requests: 0,
  });
});

describe('an endpoint that is DRAINING', () => {
  const drain = (proxy: ProxyParts, draining: Backend, ...others: readonly Backend[]): void => {
    const endpoints = [{ port: draining.port, health_status: 'DRAINING' } as const, ...others.map(({ port }) => port)];
    proxy.updateAssignment(loadAssignment('reviews', endpoints));
  };

  test('finishes what it has, request and response, and gets nothing new', async () => {
    const { proxy, backends } = await start('leaving', 'staying');
    const [leaving, staying] = backends as [Backend, Backend];
    drain(proxy, staying, leaving);
    let received = '';
    leaving.respond = (request, response) => {
      response.write('begun ');
      request.setEncoding('utf8');
      request.on('data', (chunk: string) => (received += chunk));
      request.on('end', () => response.end('and finished'));
    };
    const client = closeAfterTest(await RawClient.connect(proxy.port()));
    client.send('POST / HTTP/1.1\r\nhost: reviews\r\ncontent-length: 9\r\n\r\nfirst');
    await until(() => received === 'first');
    drain(proxy, leaving, staying);
    for (let i = 0; i < 20; i++) expect(echoOf(await call(proxy.port())).name).toBe('staying');
    client.send('last');
    await until(() => client.text.endsWith('0\r\n\r\n'));
    expect(client.text).toContain('and finished');
    expect({ received, requests: leaving.requests, connections: leaving.connectionsTotal }).toEqual({
      received: 'firstlast',
      requests: 1,
      connections: 1,
    });
  });

  test('is asked again when it is healthy again, on the connection that it kept', async () => {
    const { proxy, backends, setEndpoints } = await start('leaving', 'staying');
    const [leaving, staying] = backends as [Backend, Backend];
    setEndpoints(leaving);
    await call(proxy.port());
    drain(proxy, leaving, staying);
    for (let i = 0; i < 5; i++) expect(echoOf(await call(proxy.port())).name).toBe('staying');
    setEndpoints(leaving);
    expect(echoOf(await call(proxy.port())).name).toBe('leaving');
    expect(leaving.connectionsTotal).toBe(1);
  });

  test('and the only one: 503 with UH where there is no panic, else it is asked as the best there is', async () => {
    const { proxy, backends } = await start('leaving');
    const [leaving] = backends as [Backend];
    drain(proxy, leaving);
    expect((await call(proxy.port())).status).toBe(200);
    const common_lb_config = { healthy_panic_threshold: { value: 0 } };
    proxy.replaceClusters([edsCluster('reviews', { common_lb_config })]);
    expect((await call(proxy.port())).headers['x-heddle-reason']).toMatch(/^UH /);
  });

  test('while requests flow: none fails, and from then on none arrives', async () => {
    const { proxy, backends } = await start('leaving', 'staying');
    const [leaving, staying] = backends as [Backend, Backend];
    const { answers, stop } = keepCalling(proxy.port());
    await until(() => leaving.requests > 50);
    drain(proxy, leaving, staying);
    await until(() => proxy.clusters.get('reviews')?.hosts[0]?.activeRequests === 0);
    const { requests } = leaving;
    const count = answers.length;
    await until(() => answers.length > count + 100);
    await stop();
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(leaving.requests).toBe(requests);
  });
});

test('the idle connections of a removed host close at once', async () => {
  const { proxy, backends, setEndpoints } = await start('old', 'new');
  const [old, other] = backends as [Backend, Backend];
  setEndpoints(old);
  await call(proxy.port());
  expect(old.sockets.size).toBe(1);
  setEndpoints(other);
  await until(() => old.sockets.size === 0);
});

test('a host that stays keeps its connections through an update', async () => {
  const { proxy, backends, setEndpoints } = await start('stays', 'goes');
  const [stays] = backends as [Backend, Backend];
  setEndpoints(stays);
  await call(proxy.port());
  setEndpoints(...backends);
  setEndpoints(stays);
  await call(proxy.port());
  expect(stays.connectionsTotal).toBe(1);
});

test('endpoints that come before their cluster are there when it comes', async () => {
  const { proxy, backends } = await start('a');
  proxy.replaceClusters([]);
  expect((await call(proxy.port())).headers['x-heddle-reason']).toMatch(/^NC /);
  proxy.updateAssignment(
    loadAssignment(
      'reviews',
      backends.map(({ port }) => port),
    ),
  );
  proxy.replaceClusters([edsCluster('reviews')]);
  expect((await call(proxy.port())).status).toBe(200);
});

test('without an endpoint: 503, flag UH, and as soon as there is one: 200', async () => {
  const { proxy, backends, setEndpoints } = await start('a');
  setEndpoints();
  const answer = await call(proxy.port());
  expect(answer).toMatchObject({
    status: 503,
    headers: { 'x-heddle-reason': 'UH no healthy endpoint in cluster reviews' },
  });
  expect(proxy.stat('cluster.reviews.upstream_cx_none_healthy')).toBe(1);
  setEndpoints(...backends);
  expect((await call(proxy.port())).status).toBe(200);
});

describe('a cluster that is replaced while a request runs', () => {
  const changed = edsCluster('reviews', { lb_policy: 'RANDOM' });

  test('finishes the request on its connection, which then closes', async () => {
    const { proxy, backends } = await start('a');
    const [a] = backends as [Backend];
    let finish = (): void => {};
    a.respond = (_request, response) => {
      response.write('begun ');
      finish = () => response.end('and finished');
    };
    const running = call(proxy.port());
    await until(() => a.requests === 1);
    a.respond = echo;
    const before = proxy.clusters.get('reviews');
    proxy.replaceClusters([changed]);
    expect(proxy.clusters.get('reviews')).not.toBe(before);
    expect((await call(proxy.port())).status).toBe(200);
    finish();
    expect((await running).body).toBe('begun and finished');
    await until(() => a.sockets.size === 1);
    expect(proxy.stat('cluster.reviews.upstream_rq_active')).toBe(0);
  });

  test('or removed: the request finishes, the next is answered with NC', async () => {
    const { proxy, backends } = await start('a');
    const [a] = backends as [Backend];
    let finish = (): void => {};
    a.respond = (_request, response) => (finish = () => void response.end('finished'));
    const running = call(proxy.port());
    await until(() => a.requests === 1);
    proxy.replaceClusters([]);
    expect((await call(proxy.port())).headers['x-heddle-reason']).toMatch(/^NC /);
    finish();
    expect((await running).body).toBe('finished');
    await until(() => a.sockets.size === 0);
  });

  test('by an equal one is not replaced at all', async () => {
    const { proxy, backends } = await start('a');
    await call(proxy.port());
    for (let i = 0; i < 3; i++) proxy.replaceClusters([edsCluster('reviews')]);
    await call(proxy.port());
    expect(backends[0]!.connectionsTotal).toBe(1);
  });
});

test('statistics of a removed cluster go, those of its namesakes stay', async () => {
  const { proxy } = await start('a');
  proxy.replaceClusters([edsCluster('reviews'), edsCluster('reviews.example.com')]);
  expect(proxy.stat('cluster.reviews.upstream_rq_total')).toBe(0);
  expect(proxy.stat('cluster.reviews.example.com.upstream_rq_total')).toBe(0);
  proxy.replaceClusters([edsCluster('reviews.example.com')]);
  expect(proxy.stat('cluster.reviews.upstream_rq_total')).toBeUndefined();
  expect(proxy.stat('cluster.reviews.example.com.upstream_rq_total')).toBe(0);
});
