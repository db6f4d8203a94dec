/**
 * Clients that send too much, too little or too slowly, against a proxy process: it answers or ends the connection, takes
 * little memory and CPU time for it, and goes on serving the others.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { flood } from '../../support/flood.ts';
import { statusOf } from '../../support/http-message.ts';
import { ProxyProcess } from '../../support/proxy-process.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { turn, until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const backend = new RawBackend();
const clients: RawClient[] = [];
let proxy: ProxyProcess;

beforeAll(async () => {
  await backend.start();
  proxy = await ProxyProcess.start({
    upstreamPort: backend.port,
    manager: {
      request_headers_timeout: '1s',
      stream_idle_timeout: '2s',
      common_http_protocol_options: { idle_timeout: '3s' },
    },
  });
});
beforeEach(async () => {
  backend.clear();
  await expectServed();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  expect(proxy.isAlive, proxy.output).toBe(true);
  await expectServed();
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(proxy.port);
  clients.push(client);
  return client;
}

async function expectServed(): Promise<void> {
  const client = await RawConnection.open(proxy.port);
  expect((await client.get('/')).status).toBe(200);
  client.destroy();
}

const megabyte = 1_048_576;
/** Of what a hundred megabytes may leave behind: the heap grows by some in any case. */
const memoryBoundBytes = 32 * megabyte;
const chunked = head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked');

describe('R5: a hundred megabytes of', () => {
  it.each<[what: string, begin: string, filler: string, status: number]>([
    ['a single header line', 'GET / HTTP/1.1\r\nHost: a\r\nX: ', 'x', 431],
    ['a single header name', 'GET / HTTP/1.1\r\nHost: a\r\nX', 'x', 431],
    ['headers', 'GET / HTTP/1.1\r\nHost: a\r\n', '__proto__: 1\r\n', 431],
    ['a request target', 'GET /', 'x', 431],
    ['a method', 'G', 'E', 431],
    ['white space in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX:', ' ', 431],
    ['empty lines', '\r\n', '\r\n', 400],
    ['a chunk extension', `${chunked}5;`, 'x', 400],
    ['a chunk size', chunked, '0', 400],
    ['trailers', `${chunked}0\r\n`, 'X: 1\r\n', 400],
    ['a single trailer', `${chunked}0\r\nX: `, 'x', 400],
    ['no HTTP at all', '', '\x16\x03\x01', 400],
  ])('%s is refused and costs no memory', async (_, begin, filler, status) => {
    const client = await connect();
    const peakBefore = proxy.peakRssBytes;
    client.send(begin);
    // It goes on when it was told to stop.
    await flood(client.socket, { filler, totalBytes: 100 * megabyte, isOver: () => client.isClosed });
    await client.untilResponses(1);
    expect(client.responses().map(statusOf)).toEqual([status]);
    expect(proxy.peakRssBytes - peakBefore).toBeLessThan(memoryBoundBytes);
  });

  it('a chunked body waits in the client while the upstream does not read', async () => {
    backend.onBytes = ({ socket }) => void socket.pause();
    const client = await connect();
    const peakBefore = proxy.peakRssBytes;
    client.send(chunked);
    const taken = await flood(client.socket, {
      filler: `4000\r\n${'x'.repeat(0x4000)}\r\n`,
      totalBytes: 100 * megabyte,
      isOver: () => client.isOver,
    });
    expect(taken).toBeLessThan(50 * megabyte);
    expect(proxy.peakRssBytes - peakBefore).toBeLessThan(memoryBoundBytes);
    backend.onBytes = () => {};
    for (const { socket } of backend.connections) socket.destroy();
  });
});

describe('R5: ten thousand headers', () => {
  it('are answered with 431, whatever their names are', async () => {
    const client = await connect();
    const names = ['__proto__', 'constructor', 'toString', 'x'];
    const lines = Array.from({ length: 10_000 }, (_, i) => `${names[i % names.length]}: ${i}`);
    client.send(head('GET / HTTP/1.1', 'Host: a', ...lines));
    await client.untilOver();
    expect(client.responses().map(statusOf)).toEqual([431]);
    expect(backend.requests.filter(({ startLine }) => startLine.includes('__proto__'))).toEqual([]);
  });
});

describe('R6: names that every object has', () => {
  it('are forwarded as the headers and dropped as the trailers that they are', async () => {
    const client = await connect();
    const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__'];
    const lines = names.map((name) => `${name}: 1`);
    client.send(
      `${head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', ...lines)}0\r\n${lines.join('\r\n')}\r\n\r\n`,
    );
    expect((await client.untilResponses(1)).map(statusOf)).toEqual([200]);
    expect(backend.requests.at(-1)?.headers.map(([name]) => name)).toEqual(expect.arrayContaining(names));
  });
});

describe('R5: slowloris', () => {
  /** Every connection sends a byte now and then, until all are over. */
  async function drip(count: number, begin: string, bytes: string): Promise<RawClient[]> {
    const slow = await Promise.all(Array.from({ length: count }, connect));
    for (const client of slow) client.send(begin);
    let at = 0;
    await until(
      () => {
        for (const client of slow) if (!client.isOver && client.socket.writable) client.send(bytes.charAt(at));
        at = (at + 1) % bytes.length;
        return slow.every(({ isOver }) => isOver);
      },
      () => `the end of ${slow.filter(({ isOver }) => !isOver).length} connections`,
      8_000,
    );
    return slow;
  }

  it('heads that never end are given up with 408, and others are served meanwhile', async () => {
    const dripping = drip(100, 'GET / HTTP/1.1\r\n', 'x');
    await expectServed();
    for (const client of await dripping) expect(client.responses().map(statusOf)).toEqual([408]);
    expect(backend.requests.every(({ startLine }) => startLine === 'GET / HTTP/1.1')).toBe(true);
  });

  it('bodies that stop are given up with 408, and the upstream sees no whole request', async () => {
    const stopped = await Promise.all(Array.from({ length: 20 }, connect));
    for (const client of stopped) client.send(`${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 10')}abc`);
    await until(
      () => stopped.every(({ isOver }) => isOver),
      () => 'the end of the connections',
      8_000,
    );
    for (const client of stopped) expect(client.responses().map(statusOf)).toEqual([408]);
    expect(backend.requests.filter(({ startLine }) => startLine.startsWith('POST'))).toEqual([]);
    await until(() => backend.connections.filter(({ partial, isClosed }) => partial !== '' && !isClosed).length === 0);
  });

  it('a thousand connections that say nothing cost little and are closed when they were idle for too long', async () => {
    const peakBefore = proxy.peakRssBytes;
    const idle: RawClient[] = [];
    while (idle.length < 1_000) idle.push(...(await Promise.all(Array.from({ length: 100 }, connect))));
    await expectServed();
    expect(proxy.peakRssBytes - peakBefore).toBeLessThan(memoryBoundBytes);
    await until(
      () => idle.every(({ isOver }) => isOver),
      () => `the end of ${idle.filter(({ isOver }) => !isOver).length} connections`,
      10_000,
    );
    expect(idle.filter(({ wasReset }) => wasReset)).toEqual([]);
  });
});

describe('R5: what is cheap to send is not a hundred times as dear to take:', () => {
  /** CPU time of the proxy for what `send` costs this process, in multiples. */
  async function costRatio(send: () => Promise<void>, measured = proxy): Promise<number> {
    const proxyBefore = measured.cpuMs;
    const ownBefore = process.cpuUsage();
    await send();
    const { user, system } = process.cpuUsage(ownBefore);
    return (measured.cpuMs - proxyBefore) / ((user + system) / 1_000);
  }

  it('a head of 60 KB in single bytes', async () => {
    // Without a limit of its own for heads: how long this takes depends on the machine.
    const patient = await ProxyProcess.start({ upstreamPort: backend.port });
    onTestFinished(() => patient.close());
    const client = await RawClient.connect(patient.port);
    clients.push(client);
    const ratio = await costRatio(async () => {
      for (const char of head('GET / HTTP/1.1', 'Host: a', `X: ${'x'.repeat(60_000)}`)) {
        client.send(char);
        await turn();
      }
      expect((await client.untilResponses(1)).map(statusOf)).toEqual([200]);
    }, patient);
    expect(ratio).toBeLessThan(10);
  });

  it('a hundred thousand chunks of one byte', async () => {
    const client = await connect();
    const ratio = await costRatio(async () => {
      client.send(`${chunked}${'1\r\nx\r\n'.repeat(100_000)}0\r\n\r\n`);
      expect((await client.untilResponses(1)).map(statusOf)).toEqual([200]);
    });
    expect(backend.requests.at(-1)?.body.length).toBe(100_000);
    expect(ratio).toBeLessThan(10);
  });

  it('thousands of pipelined requests', async () => {
    const client = await connect();
    const ratio = await costRatio(async () => {
      client.send(head('GET / HTTP/1.1', 'Host: a').repeat(3_000));
      await until(
        () => client.bytes.subarray(-2).equals(Buffer.from('ok')) && backend.requests.length >= 3_000,
        () => `3000 responses, got ${backend.requests.length}`,
        20_000,
      );
    });
    expect(ratio).toBeLessThan(10);
  });

  it('a Connection header that names ten thousand headers', async () => {
    const ratio = await costRatio(async () => {
      for (let i = 0; i < 20; i++) {
        const client = await connect();
        const lines = Array.from({ length: 90 }, (_, i) => `x${i}: 1`);
        client.send(head('GET / HTTP/1.1', 'Host: a', `Connection: ${'x1 , '.repeat(10_000)}close`, ...lines));
        await client.untilOver();
        expect(client.responses().map(statusOf)).toEqual([200]);
      }
    });
    expect(ratio).toBeLessThan(50);
  });
});

describe('a HEAD that is refused', () => {
  it.each([
    ['400', 'HEAD /a#b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['400', 'HEAD / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n'],
    ['400', 'HEAD / HTTP/1.1\r\n\r\n'],
    ['431', `HEAD / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`],
  ])('is answered %s without content, which its client would take for another answer', async (status, text) => {
    const client = await connect();
    client.send(text);
    await until(() => client.isOver);
    expect(client.text.startsWith(`HTTP/1.1 ${status} `)).toBe(true);
    expect(client.text.endsWith('\r\n\r\n')).toBe(true);
  });
});
