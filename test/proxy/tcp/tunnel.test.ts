import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { TcpProxy, TcpProxy_TunnelingConfig as TunnelingConfig } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { type BackendConnection, RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';

const hostname = 'db.example.com:5432';
const connectHead = `CONNECT ${hostname} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`;
const postHead = `POST / HTTP/1.1\r\nhost: ${hostname}\r\ntransfer-encoding: chunked\r\n\r\n`;

async function startProxy(port: number, tcp: TcpProxy = {}, tunnel: TunnelingConfig = {}): Promise<ProxyParts> {
  const tunneling_config = { hostname, ...tunnel };
  const proxy = closeAfterTest(
    new ProxyParts({
      clusters: [staticCluster('backend', [port])],
      listeners: [tcpListener({ proxy: { cluster: 'backend', tunneling_config, ...tcp } })],
    }),
  );
  await proxy.start();
  return proxy;
}

interface Scene {
  readonly proxy: ProxyParts;
  readonly backend: RawBackend;
  /** A client, and the connection that the host gets for it, with the whole request. */
  readonly open: () => Promise<{ client: RawClient; host: BackendConnection }>;
}

async function start(tunnel: TunnelingConfig = {}, tcp: TcpProxy = {}): Promise<Scene> {
  const backend = closeAfterTest(new RawBackend());
  backend.endsWithPeer = false;
  backend.onRequest = () => {};
  await backend.start();
  const proxy = await startProxy(backend.port, tcp, tunnel);
  const open: Scene['open'] = async () => {
    const count = backend.connections.length;
    const client = closeAfterTest(await RawClient.connect(proxy.port('tcp')));
    await until(() => backend.connections[count]?.received.includes('\r\n\r\n') === true);
    const host = backend.connections[count];
    if (host === undefined) throw new Error('nobody came');
    return { client, host };
  };
  return { proxy, backend, open };
}

const over = (proxy: ProxyParts, count = 1): Promise<void> => until(() => proxy.connections.length === count);

describe('a tunnel by CONNECT', () => {
  test('through a real proxy carries bytes both ways, each until its own end', async () => {
    const echo = closeAfterTest(net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const asked: (string | undefined)[] = [];
    const forward = closeAfterTest(http.createServer());
    forward.on('connect', (request: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
      asked.push(request.url, request.headers.host);
      const { port } = echo.address() as AddressInfo;
      const target = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => {
        socket.write('HTTP/1.1 200 Connection Established\r\nproxy-agent: test\r\n\r\n');
        target.write(head);
        socket.pipe(target).pipe(socket);
      });
    });
    await new Promise<void>((resolve) => forward.listen(0, '127.0.0.1', resolve));
    const proxy = await startProxy((forward.address() as AddressInfo).port);
    const client = closeAfterTest(await RawClient.connect(proxy.port('tcp')));
    const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i)).repeat(400);
    client.send(bytes);
    client.end();
    await client.untilOver();
    expect(client.text).toBe(bytes);
    expect(asked).toEqual([hostname, hostname]);
    await over(proxy);
    const size = bytes.length;
    expect(proxy.connections[0]).toMatchObject({ requestBytes: size, responseBytes: size, responseFlags: '-' });
  });

  test('is asked for at once, and the bytes of the client wait for the answer', async () => {
    const { proxy, open } = await start();
    const { client, host } = await open();
    client.send('hello');
    await turns(20);
    expect(host.received).toBe(connectHead);
    host.send('HTTP/1.1 200 OK\r\n\r\n');
    await until(() => host.received === `${connectHead}hello`);
    host.send('hi');
    await until(() => client.text === 'hi');
    client.send(' again');
    await until(() => host.received.endsWith('hello again'));
    client.reset();
    await over(proxy);
    expect(proxy.stat('tcp.tcp.downstream_cx_rx_bytes_total')).toBe(11);
    await until(() => proxy.stat('cluster.backend.upstream_rq_active') === 0);
  });

  const answers = [
    'HTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.0 201 Created\r\nserver: a\r\n\r\n',
    'HTTP/1.1 204\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
    // RFC 9110 §9.3.6: of an answer to CONNECT these mean nothing.
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
  ];

  test.each(answers)(
    'is open after %j, wherever that is split, and what follows is the first bytes',
    async (answer) => {
      const { open } = await start();
      const first = '3\r\nabc\r\n\r\n';
      const whole = answer + first;
      for (let split = 1; split < whole.length; split++) {
        const { client, host } = await open();
        host.socket.setNoDelay(true);
        host.send(whole.slice(0, split));
        await turns(2);
        host.send(whole.slice(split));
        await until(() => client.text.length >= first.length);
        expect(client.text).toBe(first);
        client.socket.destroy();
      }
    },
  );

  test('is open when the answer comes byte by byte', async () => {
    const { open } = await start();
    const { client, host } = await open();
    host.socket.setNoDelay(true);
    for (const byte of 'HTTP/1.1 200 OK\r\na: b\r\n\r\nabc') {
      host.send(byte);
      await turns(1);
    }
    await until(() => client.text === 'abc');
  });

  test.each([
    ['403', 'HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nabc', 'tunnel_response:403'],
    ['407', 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n', 'tunnel_response:407'],
    ['301', 'HTTP/1.1 301 Moved\r\nlocation: /\r\n\r\n', 'tunnel_response:301'],
    ['101', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', 'tunnel_response:101'],
    ['another protocol', 'SSH-2.0-OpenSSH\r\n', undefined],
    ['a bare LF', 'HTTP/1.1 200 OK\n\n', undefined],
    ['a head without end', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(70_000)}`, undefined],
    ['too many headers', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(101)}\r\n`, undefined],
  ])(
    'that is answered with %s is tried as often as connecting, then the client is reset',
    async (_, answer, reason) => {
      const { proxy, backend } = await start({}, { max_connect_attempts: 2 });
      backend.onRequest = (connection) => connection.send(answer);
      const client = closeAfterTest(await RawClient.connect(proxy.port('tcp')));
      client.send('secret');
      await until(() => client.errorCode === 'ECONNRESET');
      await over(proxy);
      expect(backend.connections.map(({ received }) => received)).toEqual([connectHead, connectHead]);
      const [connection] = proxy.connections;
      expect(connection).toMatchObject({ responseFlags: 'UF,URX', requestBytes: 0, responseBytes: 0, attemptCount: 2 });
      expect(connection?.error?.transportFailureReason).toBe(reason);
      expect(client.text).toBe('');
      // A host that answers is well, whatever it answers below 500.
      expect(connection?.host?.errorsTotal).toBe(reason === undefined ? 2 : 0);
      await until(() => connection?.host?.activeConnections === 0);
      await until(() => backend.connections.every(({ isEnded }) => isEnded));
    },
  );

  test.each([
    ['ends', (host: BackendConnection) => host.socket.end()],
    ['ends within its answer', (host: BackendConnection) => host.socket.end('HTTP/1.1 200')],
    ['resets', (host: BackendConnection) => host.socket.resetAndDestroy()],
  ])('whose host %s before it has answered fails like connecting', async (_, leave) => {
    const { proxy, open } = await start();
    const { client, host } = await open();
    leave(host);
    await until(() => client.errorCode === 'ECONNRESET');
    await over(proxy);
    expect(proxy.connections[0]?.responseFlags).toBe('UF,URX');
    expect(proxy.connections[0]?.host).toMatchObject({ errorsTotal: 1, activeConnections: 0 });
  });

  test('that its host breaks off later is reset for the client', async () => {
    const { proxy, open } = await start();
    const { client, host } = await open();
    host.send('HTTP/1.1 200 OK\r\n\r\nabc');
    await until(() => client.text === 'abc');
    host.socket.resetAndDestroy();
    await until(() => client.errorCode === 'ECONNRESET');
    await over(proxy);
    expect(proxy.connections[0]?.responseFlags).toBe('UR');
  });

  test('of a client that leaves before the answer is given up', async () => {
    const { proxy, open, backend } = await start();
    const { client } = await open();
    client.reset();
    await over(proxy);
    expect(proxy.connections[0]?.responseFlags).toBe('DC');
    await until(() => backend.openConnections.length === 0);
  });

  test('of a client that has said all before the answer gets that, and then its end', async () => {
    const { open } = await start();
    const { client, host } = await open();
    client.send('all');
    client.end();
    await turns(20);
    expect(host.isEnded).toBe(false);
    host.send('HTTP/1.1 200 OK\r\n\r\n');
    await until(() => host.isEnded);
    expect(host.received).toBe(`${connectHead}all`);
    host.socket.end('late');
    await client.untilOver();
    expect(client.text).toBe('late');
  });
});

describe('a tunnel by POST', () => {
  const post: TunnelingConfig = { use_post: true };

  test('is the bodies of a request in chunks and of its response', async () => {
    const { proxy, open } = await start(post);
    const { client, host } = await open();
    client.send('hello');
    await turns(20);
    expect(host.received).toBe(postHead);
    host.send('HTTP/1.1 200 OK\r\n\r\nabc');
    await until(() => client.text === 'abc' && host.received === `${postHead}5\r\nhello\r\n`);
    client.end();
    await until(() => host.received === `${postHead}5\r\nhello\r\n0\r\n\r\n`);
    expect(host.isEnded).toBe(false);
    host.socket.end('late');
    await client.untilOver();
    expect(client.text).toBe('abclate');
    await over(proxy);
    expect(proxy.connections[0]).toMatchObject({ requestBytes: 5, responseBytes: 7, responseFlags: '-' });
  });

  test('may ask for another path', async () => {
    const { open } = await start({ use_post: true, post_path: '/tunnel?a' });
    expect((await open()).host.received).toMatch(/^POST \/tunnel\?a HTTP\/1\.1\r\n/);
  });

  test.each([
    'content-length: 6\r\n\r\nabcdef',
    'transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\n\r\n',
  ])('ends with the response, wherever that is split: %j', async (rest) => {
    const { proxy, open } = await start(post);
    const whole = `HTTP/1.1 200 OK\r\n${rest}`;
    for (let split = 1; split < whole.length; split++) {
      const { client, host } = await open();
      host.socket.setNoDelay(true);
      host.send(whole.slice(0, split));
      await turns(2);
      host.send(whole.slice(split));
      await until(() => client.isEnded);
      expect(client.text).toBe('abcdef');
      // The host waits for the rest of the request, not for FIN.
      client.end();
      await client.untilOver();
      await until(() => host.received.endsWith('0\r\n\r\n'));
    }
    await over(proxy, whole.length - 1);
    expect(proxy.connections.every(({ responseFlags }) => responseFlags === '-')).toBe(true);
  });

  test.each([
    ['a body that is cut', 'content-length: 6\r\n\r\nabc', true],
    ['a chunk that is cut', 'transfer-encoding: chunked\r\n\r\n6\r\nabc', true],
    ['no chunk at all', 'transfer-encoding: chunked\r\n\r\nxyz', false],
  ])('with %s is reset for the client', async (_, rest, ends) => {
    const { proxy, open } = await start(post);
    const { client, host } = await open();
    host.send(`HTTP/1.1 200 OK\r\n${rest}`);
    if (ends) host.socket.end();
    await until(() => client.errorCode === 'ECONNRESET');
    await over(proxy);
    expect(proxy.connections[0]?.responseFlags).toBe('UR');
  });

  test.each([
    ['refuses', 'HTTP/1.1 405 Method Not Allowed\r\n\r\n'],
    ['frames its answer in two ways', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'],
  ])('whose host %s fails like connecting', async (_, answer) => {
    const { proxy, open } = await start(post);
    const { client, host } = await open();
    host.send(answer);
    await until(() => client.errorCode === 'ECONNRESET');
    await over(proxy);
    expect(proxy.connections[0]?.responseFlags).toBe('UF,URX');
  });
});
