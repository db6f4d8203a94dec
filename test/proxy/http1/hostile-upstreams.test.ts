/**
 * Upstreams that send too much, too little or for ever, against a proxy process: the client gets an error or sees the
 * response cut, the proxy takes little memory for it, and goes on serving the others.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { flood } from '../../support/flood.ts';
import { headerOf, statusOf } from '../../support/http-message.ts';
import { ProxyProcess } from '../../support/proxy-process.ts';
import { type BackendConnection, RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const backend = new RawBackend();
let proxy: ProxyProcess;
let client: RawClient;

beforeAll(async () => {
  await backend.start();
  proxy = await ProxyProcess.start({
    upstreamPort: backend.port,
    manager: { stream_idle_timeout: '4s' },
    action: { timeout: '2s' },
  });
});
beforeEach(async () => {
  backend.clear();
  await expectServed();
  client = await RawClient.connect(proxy.port);
});
afterEach(async () => {
  client.destroy();
  backend.clear();
  expect(proxy.isAlive, proxy.output).toBe(true);
  await until(
    () => backend.openConnections.every(({ socket }) => !socket.isPaused()),
    () => 'the end of stalled upstream connections',
  );
  await expectServed();
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

async function expectServed(): Promise<void> {
  const connection = await RawConnection.open(proxy.port);
  expect((await connection.get('/')).status).toBe(200);
  connection.destroy();
}

const megabyte = 1_048_576;
const memoryBoundBytes = 32 * megabyte;
const ok = 'HTTP/1.1 200 OK';
const chunked = head(ok, 'Transfer-Encoding: chunked');

/** Sends a request; resolves with the upstream's end of it. */
async function request(line = 'GET / HTTP/1.1'): Promise<BackendConnection> {
  let asked: BackendConnection | undefined = undefined;
  backend.onRequest = (connection) => (asked ??= connection);
  client.send(head(line, 'Host: a'));
  const found = (): BackendConnection | undefined => asked;
  await until(
    () => found() !== undefined,
    () => 'the request at the upstream',
  );
  const connection = found();
  if (connection === undefined) throw new Error('it was there');
  backend.clear();
  return connection;
}

/** The upstream answers with `begin` and then 100 MB of `filler`, as much of it as is taken. */
async function floodFromUpstream(begin: string, filler: string): Promise<number> {
  const connection = await request();
  connection.send(begin);
  return flood(connection.socket, { filler, totalBytes: 100 * megabyte, isOver: () => connection.isClosed });
}

describe('R5: a response of a hundred megabytes of', () => {
  it.each<[what: string, begin: string, filler: string]>([
    ['a single header line', `${ok}\r\nX: `, 'x'],
    ['headers', `${ok}\r\n`, '__proto__: 1\r\n'],
    ['a reason phrase', ok, 'x'],
    ['no HTTP at all', '', '\x16\x03\x01'],
  ])('%s becomes a 502 and costs no memory', async (_, begin, filler) => {
    const peakBefore = proxy.peakRssBytes;
    await floodFromUpstream(begin, filler);
    const [response] = await client.untilResponses(1);
    expect(response && statusOf(response)).toBe(502);
    expect(response && headerOf(response, 'x-heddle-reason')).toMatch(/^UPE /);
    expect(proxy.peakRssBytes - peakBefore).toBeLessThan(memoryBoundBytes);
  });

  it.each<[what: string, begin: string, filler: string]>([
    ['a chunk extension', `${chunked}5;`, 'x'],
    ['a chunk size', chunked, '0'],
    ['trailers', `${chunked}0\r\n`, 'X: 1\r\n'],
  ])('%s is cut off and costs no memory', async (_, begin, filler) => {
    const peakBefore = proxy.peakRssBytes;
    await floodFromUpstream(begin, filler);
    expect(await client.untilResponses(1)).toEqual([]);
    // A reset right behind bytes may look like an end to libuv; chunks without the last one are an error in any case.
    expect(client.isOver).toBe(true);
    expect(proxy.peakRssBytes - peakBefore).toBeLessThan(memoryBoundBytes);
  });

  it('interim responses ends with the timeout of the route', async () => {
    const peakBefore = proxy.peakRssBytes;
    const connection = await request();
    const interim = head('HTTP/1.1 103 Early Hints', 'Link: x');
    let sent = 0;
    await until(() => {
      if (connection.socket.writableLength === 0) connection.send(interim.repeat(1_000));
      sent += 1;
      return client.receivedBytes > 0;
    });
    const [response] = await client.untilResponses(1);
    expect(response && statusOf(response)).toBe(504);
    expect(sent).toBeGreaterThan(1);
    expect(proxy.peakRssBytes - peakBefore).toBeLessThan(memoryBoundBytes);
    await until(() => connection.isClosed);
  });

  it.each([
    ['a body in chunks', chunked, `4000\r\n${'x'.repeat(0x4000)}\r\n`],
    ['a body until close', head(ok), 'x'],
  ])('%s waits in the upstream while the client does not read', async (_, begin, filler) => {
    const peakBefore = proxy.peakRssBytes;
    client.socket.pause();
    const taken = await floodFromUpstream(begin, filler);
    expect(taken).toBeLessThan(50 * megabyte);
    expect(proxy.peakRssBytes - peakBefore).toBeLessThan(memoryBoundBytes);
  });
});

describe('R5: a response that does not go on', () => {
  it.each([
    ['within its head', 'HTTP/1.1 200 OK\r\nX: ', 504],
    ['within its body', `${head(ok, 'Content-Length: 10')}abc`, 0],
    ['within its chunks', `${chunked}5\r\nab`, 0],
  ])('%s is given up', async (_, begin, status) => {
    const connection = await request();
    connection.send(begin);
    await client.untilResponses(1);
    expect(client.isOver).toBe(status === 0);
    expect(client.responses().map(statusOf)).toEqual(status === 0 ? [] : [status]);
    await until(() => connection.isClosed);
  });
});
