import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { HttpConnectionManager } from '../../proxy/api/envoy.gen.ts';
import { encodeWithdrawal, reportedHealth } from '../../proxy/api/health.ts';
import { Backend, echoOf } from '../support/backend.ts';
import { adsBootstrapText } from '../support/ads-bootstrap.ts';
import { closeAfterTest } from '../support/closing.ts';
import {
  bootstrapText,
  edsCluster,
  httpListener,
  loadAssignment,
  routeConfiguration,
  routeTo,
  staticCluster,
} from '../support/envoy-json.ts';
import { call } from '../support/http-call.ts';
import { createProxy, startProxy } from '../support/in-process-proxy.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { until } from '../support/turns.ts';
import { unusedPort } from '../support/unused-port.ts';
import { FakeAdsServer, type FakeAdsStream } from './xds/fake-ads-server.ts';
import { httpConnectionManagersOf } from '../../proxy/api/listener.ts';

const startBackend = async (name = 'backend'): Promise<Backend> => closeAfterTest(await Backend.start(name));

const toBackend = (backend: Backend, port = 0): string =>
  bootstrapText(
    [httpListener({ port, routes: routeConfiguration([routeTo('backend')]) })],
    [staticCluster('backend', [backend.port])],
  );

describe('a proxy with a static bootstrap', () => {
  test('is live once it has started and closed once it was closed; both may be asked for twice', async () => {
    const server = createProxy(toBackend(await startBackend()));
    expect(server.state).toBe('new');
    await server.start();
    await server.start();
    expect(server.state).toBe('live');
    await server.close();
    await server.close();
    expect(server.state).toBe('closed');
  });

  test('opens nothing before it starts', async () => {
    const port = await unusedPort();
    createProxy(toBackend(await startBackend(), port));
    await expect(call(port)).rejects.toThrow('ECONNREFUSED');
  });

  test('does not start on a port that is taken, and says which listener', async () => {
    const backend = await startBackend();
    await expect(createProxy(toBackend(backend, backend.port)).start()).rejects.toThrow(
      `listener test: cannot listen on 127.0.0.1:${backend.port}`,
    );
  });

  test('closing ends what runs', async () => {
    const backend = await startBackend();
    backend.respond = () => {};
    const { server, port } = await startProxy(toBackend(backend));
    const answer = call(port).catch((error: unknown) => String(error));
    await until(() => backend.requests === 1);
    await server.close();
    expect(await answer).toMatch(/hang up|ECONNRESET/);
    await until(() => backend.sockets.size === 0);
  });

  test('a drain lets the request finish that runs, and then everything is closed', async () => {
    const backend = await startBackend();
    let finish = (): void => {};
    backend.respond = (_request, response) => (finish = () => void response.end('finished'));
    const { server, port, adminPort } = await startProxy(toBackend(backend));
    const answer = call(port);
    await until(() => backend.requests === 1);
    const drained = server.drain(5_000);
    await until(() => server.state === 'draining');
    finish();
    expect(await answer).toMatchObject({ status: 200, body: 'finished' });
    await drained;
    expect(server.state).toBe('closed');
    await expect(call(port)).rejects.toThrow('ECONNREFUSED');
    await expect(call(adminPort, { path: '/ready' })).rejects.toThrow('ECONNREFUSED');
    await until(() => backend.sockets.size === 0);
  });

  test('a second drain changes nothing', async () => {
    const { server } = await startProxy(toBackend(await startBackend()));
    await Promise.all([server.drain(1_000), server.drain(1_000)]);
    await server.drain(1_000);
    await until(() => server.state === 'closed');
  });
});

/** What the control plane was asked for: no secrets here. */
const askedOf = ({ ads }: ReturnType<typeof createProxy>) =>
  ads?.describe().filter(({ status }) => status.kind !== 'idle') ?? [];

describe('a proxy with a control plane', () => {
  interface Setting {
    readonly stream: FakeAdsStream;
    readonly port: number;
    readonly server: ReturnType<typeof createProxy>;
    readonly backend: Backend;
  }

  const listenerWithRds = (port: number, statPrefix = 'rds', manager: HttpConnectionManager = {}) =>
    httpListener({
      name: 'outbound',
      port,
      manager: {
        ...manager,
        stat_prefix: statPrefix,
        rds: { route_config_name: 'routes', config_source: { ads: {}, resource_api_version: 'V3' } },
      },
    });
  const directly = (text: string) =>
    routeConfiguration([{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: text } } }]);

  async function start(): Promise<Setting> {
    const ads = new FakeAdsServer();
    await ads.start();
    closeAfterTest({ close: () => ads.stop() });
    const backend = await startBackend();
    const port = await unusedPort();
    const server = createProxy(adsBootstrapText(ads.port));
    const started = server.start();
    const stream = await ads.nextStream();
    stream.send('CDS', '1', edsCluster('reviews'));
    stream.send('EDS', '1', loadAssignment('reviews', [backend.port]));
    stream.send('LDS', '1', listenerWithRds(port));
    stream.send('RDS', '1', routeConfiguration([routeTo('reviews')]));
    await started;
    return { stream, port, server, backend };
  }

  test('serves what it was told as soon as it has started', async () => {
    const { port } = await start();
    expect(echoOf(await call(port)).name).toBe('backend');
  });

  test('a pushed route is in force for the next request of an open connection', async () => {
    const { stream, port } = await start();
    const client = closeAfterTest(await RawConnection.open(port));
    expect((await client.get()).status).toBe(200);
    stream.send('RDS', '2', directly('pushed'));
    let body = '';
    for (let i = 0; body !== 'pushed' && i < 500; i++) body = (await client.get()).body;
    expect(body).toBe('pushed');
    expect(client.isEnded).toBe(false);
  });

  test('a hundred pushes while requests flow: none fails, and no connection closes', async () => {
    const { stream, port, backend, server } = await start();
    const second = await startBackend('second');
    const clients = await Promise.all(Array.from({ length: 4 }, () => RawConnection.open(port)));
    for (const client of clients) closeAfterTest(client);
    const stopped = new AbortController();
    const statuses: number[] = [];
    const talk = async (client: RawConnection): Promise<void> => {
      while (!stopped.signal.aborted) {
        statuses.push((await client.get()).status);
      }
    };
    const talking = Promise.all(clients.map(talk));
    for (let i = 2; i < 102 || statuses.length < 200; i++) {
      const ports = i % 3 === 0 ? [backend.port] : i % 3 === 1 ? [second.port] : [backend.port, second.port];
      stream.send('EDS', `${i}`, loadAssignment('reviews', ports));
      stream.send('RDS', `${i}`, i % 2 === 0 ? directly('direct') : routeConfiguration([routeTo('reviews')]));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    stopped.abort();
    await talking;
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(clients.filter(({ isEnded }) => isEnded)).toEqual([]);
    expect(askedOf(server).map(({ status }) => status.kind)).toEqual(['acked', 'acked', 'acked', 'acked']);
  });

  test('B7: a WebSocket and a long response outlive any number of pushes of every kind', async () => {
    const { stream, port, backend, server } = await start();
    const sockets = closeAfterTest(new WebSocketServer({ server: backend.server }));
    sockets.on('connection', (socket) =>
      socket.on('message', (data: Buffer) => socket.send(`echo ${data.toString()}`)),
    );
    let finish = (): void => {};
    backend.respond = (_request, response) => {
      response.write('begin\n');
      finish = () => void response.end('end\n');
    };
    const websocket = (upgrade_type: string) => ({ upgrade_configs: [{ upgrade_type }] });
    stream.send('LDS', '2', listenerWithRds(port, 'with-websocket', websocket('websocket')));
    await until(
      () =>
        server.listeners.list().flatMap(({ config }) => httpConnectionManagersOf(config))[0]?.statPrefix ===
        'with-websocket',
    );

    const socket = closeAfterTest(new WebSocket(`ws://127.0.0.1:${port}/chat`));
    const messages: string[] = [];
    const ends: string[] = [];
    socket.on('message', (data: Buffer) => messages.push(data.toString()));
    socket.on('close', () => ends.push('the WebSocket'));
    socket.on('error', () => ends.push('the WebSocket'));
    await once(socket, 'open');
    const long = closeAfterTest(await RawConnection.open(port));
    long.send('GET /long HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => long.unread.includes('begin'));

    const second = await startBackend('second');
    for (let i = 3; i < 103; i++) {
      // The last of them takes away all that the two streams rely on.
      const isLast = i === 102;
      stream.send('EDS', `${i}`, loadAssignment('reviews', isLast || i % 2 === 0 ? [second.port] : [backend.port]));
      stream.send('CDS', `${i}`, edsCluster('reviews', { connect_timeout: `${i}s` }));
      stream.send('RDS', `${i}`, isLast || i % 3 === 0 ? directly('direct') : routeConfiguration([routeTo('reviews')]));
      stream.send('LDS', `${i}`, listenerWithRds(port, `pushed-${i}`, websocket(isLast ? 'none' : 'websocket')));
      socket.send(`${i}`);
      await until(() => messages.length === i - 2);
    }
    await until(() => askedOf(server).every(({ version }) => version === '102'));
    expect((await call(port)).body).toBe('direct');
    socket.send('after');
    await until(() => messages.at(-1) === 'echo after');
    finish();
    expect((await long.readResponse()).body).toBe('begin\nend\n');
    expect(ends).toEqual([]);
  });

  test('a resource that is refused leaves everything as it was', async () => {
    const { stream, port, server } = await start();
    stream.send('RDS', 'bad', {
      ...routeConfiguration([]),
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { safe_regex: { regex: '(' } } }] }],
    });
    await until(() => server.ads?.describe().some(({ status }) => status.kind === 'nacked') === true);
    expect((await call(port)).status).toBe(200);
  });

  describe('B10: a drain', () => {
    async function untilReported(stream: FakeAdsStream): Promise<void> {
      for (;;) if (reportedHealth(await stream.next())?.kind === 'draining') return;
    }

    test('tells the control plane, serves as ever until that answers, and then asks callers to go', async () => {
      const { stream, port, server } = await start();
      const client = closeAfterTest(await RawConnection.open(port));
      const drained = server.drain(60_000);
      await untilReported(stream);
      expect(server.state).toBe('draining');
      for (let i = 0; i < 20; i++) expect((await client.get()).headers['connection']).toBeUndefined();
      expect((await call(port)).status).toBe(200);
      stream.sendBytes(encodeWithdrawal('1'));
      // Half of the deadline would be a minute: only the answer can end the wait.
      await drained;
      await client.waitForEnd();
      await expect(call(port)).rejects.toThrow('ECONNREFUSED');
    });

    test('follows the control plane while a request still runs', async () => {
      const { stream, port, server, backend } = await start();
      const second = await startBackend('second');
      let finish = (): void => {};
      backend.respond = (_request, response) => (finish = () => void response.end('finished'));
      const answer = call(port);
      await until(() => backend.requests === 1);
      const drained = server.drain(60_000);
      await untilReported(stream);
      stream.sendBytes(encodeWithdrawal('1'));
      stream.send('EDS', '2', loadAssignment('reviews', [second.port]));
      await until(() => server.clusters.get('reviews')?.hosts[0]?.endpoint.port === second.port);
      finish();
      expect(await answer).toMatchObject({ status: 200, body: 'finished' });
      await drained;
    });

    test('without an answer, from one that is not Heddle, waits for half of a short deadline', async () => {
      const { port, server, stream } = await start();
      const client = closeAfterTest(await RawConnection.open(port));
      const drained = server.drain(2_000);
      await untilReported(stream);
      let { headers } = await client.get();
      while (headers['connection'] === undefined) ({ headers } = await client.get());
      expect(headers['connection']).toBe('close');
      await drained;
      await expect(call(port)).rejects.toThrow('ECONNREFUSED');
    });

    test('that is broken off closes everything at once', async () => {
      const { server, stream, port } = await start();
      const drained = server.drain(60_000);
      await untilReported(stream);
      await server.close();
      await drained;
      await expect(call(port)).rejects.toThrow('ECONNREFUSED');
    });
  });

  test('without its control plane goes on with what it has', async () => {
    const { stream, port } = await start();
    stream.end();
    await stream.closed.catch(() => {});
    for (let i = 0; i < 20; i++) expect((await call(port)).status).toBe(200);
  });
});
