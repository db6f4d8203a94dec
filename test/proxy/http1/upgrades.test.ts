import http from 'node:http';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { CodecProxy, type CodecProxyOptions } from '../../support/codec-proxy.ts';
import { okResponse } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';

const request = 'GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n';
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-from: app\r\n\r\n';
const websocket = { upgrade_configs: [{ upgrade_type: 'websocket' }] };

/** One upstream connection, which the test speaks for. */
class Peer {
  readonly socket: net.Socket;
  received = '';
  isEnded = false;
  isClosed = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => (this.received += bytes.toString('latin1')));
    socket.on('end', () => (this.isEnded = true));
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', () => {});
  }

  /** What came behind the first head. */
  get raw(): string {
    return this.received.slice(this.received.indexOf('\r\n\r\n') + 4);
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }
}

async function start(options: Partial<CodecProxyOptions> = {}) {
  const peers: Peer[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => peers.push(new Peer(socket)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeAfterTest({ close: () => (peers.forEach(({ socket }) => socket.destroy()), server.close()) });
  const { port } = server.address() as net.AddressInfo;
  const proxy = closeAfterTest(await CodecProxy.start({ upstreamPorts: [port], manager: websocket, ...options }));
  const client = closeAfterTest(await RawClient.connect(proxy.port));
  /** The upstream connection that has got a whole head. */
  const nextPeer = async (index = 0): Promise<Peer> => {
    await until(() => peers[index]?.received.includes('\r\n\r\n') === true);
    return peers[index]!;
  };
  return { proxy, client, peers, nextPeer };
}

/** A client and an upstream that have switched. */
async function startUpgraded(options: Partial<CodecProxyOptions> = {}) {
  const parts = await start(options);
  parts.client.send(request);
  const peer = await parts.nextPeer();
  peer.send(switching);
  await until(() => parts.client.text.endsWith('\r\n\r\n'));
  return { ...parts, peer };
}

const upgradesActive = 'http.codec.downstream_cx_upgrades_active';

describe('a request that asks for another protocol', () => {
  test('is forwarded with what asks for it, and the 101 comes back with what grants it', async () => {
    const { client, peer, proxy } = await startUpgraded();
    expect(peer.received).toBe(
      'GET /chat HTTP/1.1\r\nhost: a\r\nx-forwarded-proto: http\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    );
    expect(client.text).toMatch(
      /^HTTP\/1\.1 101 Switching Protocols\r\nx-from: app\r\n(x-envoy-upstream-service-time: \d+\r\n)connection: upgrade\r\nupgrade: websocket\r\n\r\n$/,
    );
    expect(proxy.stat('http.codec.downstream_cx_upgrades_total')).toBe(1);
    expect(proxy.stat(upgradesActive)).toBe(1);
    client.reset();
    await until(() => peer.isClosed && proxy.stat(upgradesActive) === 0);
    await proxy.untilQuiet();
  });

  test.each([
    ['is not in the configuration', { upgrade_configs: [{ upgrade_type: 'other' }] }, {}],
    ['is switched off', { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] }, {}],
    ['is switched off by the route', websocket, { upgrade_configs: [{ upgrade_type: 'WEBSOCKET', enabled: false }] }],
  ])('is answered with 403 when the protocol %s', async (_, manager, action) => {
    const { client, peers, proxy } = await start({ manager, action });
    client.send(request);
    const [response] = await client.untilResponses(1);
    expect(response?.startLine).toBe('HTTP/1.1 403 Forbidden');
    expect(response?.headers).toContainEqual([
      'x-heddle-reason',
      '- switching to the protocol asked for is not allowed',
    ]);
    expect(proxy.stat('http.codec.downstream_rq_ws_on_non_ws_route')).toBe(1);
    expect(peers).toEqual([]);
  });

  test('is allowed by its route alone', async () => {
    const { client } = await startUpgraded({ manager: {}, action: websocket });
    expect(client.text).toContain(' 101 ');
  });

  test('and gets another status has an ordinary response, and the client’s connection goes on', async () => {
    const { client, nextPeer, proxy } = await start();
    client.send(request);
    (await nextPeer()).send(okResponse);
    expect((await client.untilResponses(1))[0]?.startLine).toBe('HTTP/1.1 200 OK');
    client.send('GET /next HTTP/1.1\r\nhost: a\r\n\r\n');
    (await nextPeer(1)).send(okResponse);
    expect(await client.untilResponses(2)).toHaveLength(2);
    expect(proxy.stat(upgradesActive)).toBe(0);
  });

  test.each([
    ['a body', okResponse],
    ['none', 'HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n'],
  ])('and gets another status, with %s, is the last on its upstream connection', async (_, answer) => {
    const { client, nextPeer, proxy } = await start();
    client.send(request);
    const peer = await nextPeer();
    peer.send(answer);
    await client.untilResponses(1);
    await until(() => peer.isEnded);
    expect(peer.raw).toBe('');
    client.destroy();
    await proxy.untilQuiet();
  });

  test('leaves no server behind that does not read on: what comes next is answered by node:http too', async () => {
    const server = http.createServer((_, response) => response.end('ok'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closeAfterTest({ close: () => (server.closeAllConnections(), server.close()) });
    const { port } = server.address() as net.AddressInfo;
    const { client } = await start({ upstreamPorts: [port] });
    client.send(`${request}UNKNOWN / HTTP/1.1\r\nhost: a\r\n\r\n`);
    const responses = await client.untilResponses(2);
    expect(responses.map(({ startLine }) => startLine)).toEqual(['HTTP/1.1 200 OK', 'HTTP/1.1 400 Bad Request']);
  });

  test.each([
    ['Upgrade that Connection does not name', 'upgrade: websocket\r\n'],
    ['Connection without Upgrade', 'connection: upgrade\r\n'],
    [
      'HTTP/2 without TLS, which many clients offer',
      'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n',
    ],
  ])('does not do so with %s: it is a plain request', async (_, headers) => {
    const { client, nextPeer } = await start();
    client.send(`GET / HTTP/1.1\r\nhost: a\r\n${headers}\r\n`);
    const peer = await nextPeer();
    expect(peer.received).not.toMatch(/upgrade|http2-settings|connection:/i);
    peer.send(okResponse);
    expect((await client.untilResponses(1))[0]?.startLine).toBe('HTTP/1.1 200 OK');
  });

  test('does not do so in HTTP/1.0', async () => {
    const { client, nextPeer } = await start();
    client.send(request.replace('HTTP/1.1', 'HTTP/1.0'));
    expect((await nextPeer()).received).not.toMatch(/upgrade/i);
  });

  test.each(['content-length: 5\r\n\r\nhello', 'transfer-encoding: chunked\r\n\r\n0\r\n\r\n'])(
    'must not have a body: %j is refused',
    async (rest) => {
      const { client, peers } = await start();
      client.send(request.replace('\r\n\r\n', `\r\n${rest}`));
      const [response] = await client.untilResponses(1);
      expect(response?.startLine).toBe('HTTP/1.1 400 Bad Request');
      await client.untilOver();
      expect(peers).toEqual([]);
    },
  );
});

describe('bytes that a client sends before the 101', () => {
  test('wait for it, and are the first of the new protocol', async () => {
    const { client, nextPeer } = await start();
    client.send(`${request}early`);
    const peer = await nextPeer();
    await turns(5);
    expect(peer.raw).toBe('');
    peer.send(switching);
    await until(() => peer.raw === 'early');
    client.send(' late');
    await until(() => peer.raw === 'early late');
  });

  test('are the next request when the upstream does not switch: it never sees them as anything else', async () => {
    const { client, nextPeer } = await start();
    client.send(`${request}GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n`);
    const peer = await nextPeer();
    await turns(5);
    expect(peer.raw).toBe('');
    peer.send(okResponse);
    const { received } = await nextPeer(1);
    expect(received).toBe('GET /smuggled HTTP/1.1\r\nhost: a\r\nx-forwarded-proto: http\r\n\r\n');
    expect(peer.raw).toBe('');
  });
});

describe('an upstream that switches', () => {
  test.each([
    ['unasked', 'GET / HTTP/1.1\r\nhost: a\r\n\r\n', switching],
    ['to another protocol', request, switching.replace('websocket', 'irc')],
    ['without saying to what', request, switching.replace('upgrade: websocket\r\n', '')],
    ['without Connection', request, switching.replace('connection: upgrade\r\n', '')],
    ['and announces a body', request, switching.replace('x-from: app', 'content-length: 3')],
  ])('%s is broken off, and the client gets a 502', async (_, asked, answer) => {
    const { client, nextPeer, proxy } = await start();
    client.send(asked);
    const peer = await nextPeer();
    peer.send(`${answer}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`);
    const [response] = await client.untilResponses(1);
    expect(response?.startLine).toBe('HTTP/1.1 502 Bad Gateway');
    expect(client.text).not.toContain('evil');
    await until(() => peer.isEnded);
    expect(proxy.stat(upgradesActive)).toBe(0);
  });

  test('after an interim response is followed', async () => {
    const { client, nextPeer } = await start();
    client.send(request);
    (await nextPeer()).send(`HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${switching}hello`);
    await until(() => client.text.endsWith('hello'));
  });
});

describe('an upgraded connection', () => {
  test('carries what both sides send, byte for byte, whatever it looks like', async () => {
    const { client, peer } = await startUpgraded();
    const head = client.text;
    const text = 'GET / HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n\0\xff';
    for (const character of text) client.send(character);
    peer.send(`HTTP/1.1 200 OK\r\n\r\n${text}`);
    await until(() => peer.raw === text);
    await until(() => client.text === `${head}HTTP/1.1 200 OK\r\n\r\n${text}`);
  });

  test('the end of the client’s direction is passed on; the other goes on to its own end', async () => {
    const { client, peer, proxy } = await startUpgraded();
    client.send('bye');
    client.end();
    await until(() => peer.isEnded);
    expect(peer.raw).toBe('bye');
    expect(client.isOver).toBe(false);
    peer.send('still here');
    await until(() => client.text.endsWith('still here'));
    peer.socket.end('.');
    await client.untilOver();
    expect(client.text.endsWith('still here.')).toBe(true);
    expect(client.wasReset).toBe(false);
    await proxy.untilQuiet();
  });

  test('the end of the upstream’s direction is passed on; the other goes on to its own end', async () => {
    const { client, peer, proxy } = await startUpgraded();
    peer.socket.end('bye');
    await until(() => client.isEnded);
    expect(client.text.endsWith('bye')).toBe(true);
    client.send('still here');
    await until(() => peer.raw === 'still here');
    client.socket.end('.');
    await until(() => peer.isEnded);
    expect(peer.raw).toBe('still here.');
    await proxy.untilQuiet();
  });

  test('when one side is reset, so is the other: a message that was cut never looks whole', async () => {
    const first = await startUpgraded();
    first.peer.socket.resetAndDestroy();
    await until(() => first.client.wasReset);
    const second = await startUpgraded();
    second.client.reset();
    await until(() => second.peer.isClosed);
    expect(second.peer.isEnded).toBe(false);
    await Promise.all([first.proxy.untilQuiet(), second.proxy.untilQuiet()]);
  });

  test('megabytes pass both ways, and a side that does not read stops the other', async () => {
    const { client, peer } = await startUpgraded();
    const megabyte = Buffer.alloc(1_048_576, 'x');
    const before = client.receivedBytes;
    client.socket.pause();
    for (let i = 0; i < 32; i++) peer.socket.write(megabyte);
    await turns(200);
    // The rest waits where it came from, not in the proxy.
    expect(peer.socket.writableLength).toBeGreaterThan(8 * 1_048_576);
    client.send('meanwhile');
    await until(() => peer.raw === 'meanwhile');
    client.socket.resume();
    await until(() => client.receivedBytes - before === 32 * 1_048_576);

    peer.socket.pause();
    for (let i = 0; i < 32; i++) client.socket.write(megabyte);
    await turns(200);
    expect(client.socket.writableLength).toBeGreaterThan(8 * 1_048_576);
    peer.socket.resume();
    await until(() => peer.raw.length === 'meanwhile'.length + 32 * 1_048_576);
  });

  test('is not bound by the timeout of its route', async () => {
    const { client, peer, proxy } = await startUpgraded({ action: { timeout: '1s', ...websocket } });
    proxy.clock.advance(60_000);
    client.send('a');
    client.send('b');
    await until(() => peer.raw === 'ab');
  });

  test('a request that is never granted is', async () => {
    const { client, nextPeer, proxy } = await start({ action: { timeout: '1s' } });
    client.send(request);
    await nextPeer();
    proxy.clock.advance(5_000);
    expect((await client.untilResponses(1))[0]?.startLine).toBe('HTTP/1.1 504 Gateway Timeout');
  });

  test('ends when neither side says anything for the idle timeout of its stream', async () => {
    const { client, peer, proxy } = await startUpgraded({ manager: { ...websocket, stream_idle_timeout: '10s' } });
    for (let i = 0; i < 5; i++) {
      proxy.clock.advance(6_000);
      peer.send('.');
      await until(() => client.text.endsWith('.'.repeat(i + 1)));
    }
    proxy.clock.advance(30_000);
    await client.untilOver();
    await until(() => peer.isClosed);
  });

  test('of which one side has ended is not kept for ever, also without an idle timeout', async () => {
    const { client, peer, proxy } = await startUpgraded({ manager: { ...websocket, stream_idle_timeout: '0s' } });
    proxy.clock.advance(3_600_000);
    peer.socket.end();
    await until(() => client.isEnded);
    proxy.clock.advance(200_000);
    expect(peer.isEnded).toBe(false);
    proxy.clock.advance(400_000);
    await until(() => peer.isClosed);
    await proxy.untilQuiet();
  });

  test('lives through a drain until the deadline, and takes bytes meanwhile', async () => {
    const { client, peer, proxy } = await startUpgraded();
    const drained = proxy.server.drain(30_000);
    await turns(5);
    client.send('still');
    await until(() => peer.raw === 'still');
    proxy.clock.advance(29_000);
    await turns(5);
    expect(client.isOver).toBe(false);
    proxy.clock.advance(2_000);
    await drained;
    await client.untilOver();
  });
});

test('a request to switch is sent again when its idle connection was just closed, and never once it was granted', async () => {
  const { client, nextPeer, peers } = await start();
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const first = await nextPeer();
  first.send(okResponse);
  await client.untilResponses(1);
  client.send(request);
  await until(() => first.received.includes('/chat'));
  first.socket.resetAndDestroy();
  const second = await nextPeer(1);
  second.send(switching);
  await until(() => client.text.endsWith('websocket\r\n\r\n'));
  second.socket.resetAndDestroy();
  await until(() => client.wasReset);
  await turns(5);
  expect(peers).toHaveLength(2);
});
