import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { headerOf, statusOf } from '../../support/http-message.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const get = head('GET / HTTP/1.1', 'Host: a');
const backend = new RawBackend();
let proxy: CodecProxy;
let strict: CodecProxy;
let hurried: CodecProxy;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({
    upstreamPorts: [backend.port],
    manager: { stream_idle_timeout: '60s', common_http_protocol_options: { idle_timeout: '600s' } },
  });
  strict = await CodecProxy.start({ upstreamPorts: [backend.port], manager: { request_headers_timeout: '10s' } });
  hurried = await CodecProxy.start({ upstreamPorts: [backend.port], manager: { request_timeout: '30s' } });
});
beforeEach(() => backend.clear());
afterAll(async () => {
  await proxy.close();
  await strict.close();
  await hurried.close();
  await backend.close();
});

/** Lets time pass in steps as small as the sweep's, and what follows from it happen. */
async function pass(through: CodecProxy, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    through.clock.advance(1_000);
    await turns(2);
  }
}

describe('a request head that comes byte by byte', () => {
  const drip = async (through: CodecProxy, seconds: number): Promise<RawClient> => {
    const client = await RawClient.connect(through.port);
    client.send('GET / HTTP/1.1\r\n');
    await turns(2);
    for (let i = 0; i < seconds; i++) {
      client.send(`X-${i}: ${'x'.repeat(2 ** Math.min(i, 10))}\r\n`);
      await pass(through, 1);
    }
    return client;
  };

  it('is waited for as long as its timeout says', async () => {
    const client = await drip(strict, 8);
    expect(client.text).toBe('');
    client.send('Host: a\r\n\r\n');
    expect((await client.untilResponses(1)).map(statusOf)).toEqual([200]);
    client.destroy();
    await strict.untilQuiet();
  });

  it('is answered with 408 afterwards, however it goes on', async () => {
    const client = await drip(strict, 12);
    expect(client.responses().map(statusOf)).toEqual([408]);
    expect(client.isOver).toBe(true);
    client.destroy();
    await strict.untilQuiet();
  });

  it('is bounded by the idle timeout of streams when it has none of its own', async () => {
    const client = await drip(proxy, 62);
    expect(client.responses().map(statusOf)).toEqual([408]);
    client.destroy();
    await proxy.untilQuiet();
  });

  it('has a time of its own behind a request that was served', async () => {
    const client = await RawClient.connect(strict.port);
    client.send(get);
    await client.untilResponses(1);
    await pass(strict, 30);
    client.send('GET /');
    await turns(2);
    await pass(strict, 8);
    expect(client.isOver).toBe(false);
    await pass(strict, 4);
    expect(client.responses().map(statusOf)).toEqual([200, 408]);
    client.destroy();
    await strict.untilQuiet();
  });
});

describe('a request that comes byte by byte where requests have a timeout', () => {
  /** A byte a second of a body that is longer than that. */
  const drip = async (seconds: number): Promise<RawClient> => {
    const client = await RawClient.connect(hurried.port);
    client.send(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 40'));
    await turns(2);
    for (let i = 0; i < seconds && !client.isOver; i++) {
      client.send('x');
      await pass(hurried, 1);
    }
    return client;
  };

  it('is given up with 408, however steadily its body comes, and the upstream never sees it whole', async () => {
    const client = await drip(40);
    await client.untilOver();
    expect(client.responses().map(statusOf)).toEqual([408]);
    expect(headerOf(client.responses()[0] ?? { headers: [] }, 'x-heddle-reason')).toContain('did not arrive in time');
    expect(backend.requests).toEqual([]);
    client.destroy();
    await hurried.untilQuiet();
  });

  it('has its time from the first byte of its head', async () => {
    const client = await RawClient.connect(hurried.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\n');
    await turns(2);
    await pass(hurried, 20);
    client.send('Content-Length: 40\r\n\r\nx');
    await turns(2);
    await pass(hurried, 8);
    expect(client.isOver).toBe(false);
    client.send('x');
    await pass(hurried, 4);
    expect(client.responses().map(statusOf)).toEqual([408]);
    client.destroy();
    await hurried.untilQuiet();
  });

  it('is served when it came in time, however long the response takes, and so is the next', async () => {
    const client = await drip(25);
    backend.onRequest = () => {};
    client.send('x'.repeat(15));
    await until(
      () => backend.requests.length === 1,
      () => 'the request at the upstream',
    );
    await pass(hurried, 20);
    backend.connections.at(-1)?.send(head('HTTP/1.1 200 OK', 'Content-Length: 0'));
    await client.untilResponses(1);
    await pass(hurried, 20);
    backend.clear();
    client.send(get);
    expect((await client.untilResponses(2)).map(statusOf)).toEqual([200, 200]);
    client.destroy();
    await hurried.untilQuiet();
  });
});

describe('a stream', () => {
  it('lives as long as bytes of its request come', async () => {
    const client = await RawClient.connect(proxy.port);
    client.send(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 9'));
    for (let i = 0; i < 9; i++) {
      await pass(proxy, 40);
      client.send('x');
      await turns(2);
    }
    expect((await client.untilResponses(1)).map(statusOf)).toEqual([200]);
    client.destroy();
    await proxy.untilQuiet();
  });

  it('lives as long as bytes of its response come', async () => {
    const client = await RawClient.connect(proxy.port);
    backend.onRequest = (connection) => connection.send(head('HTTP/1.1 200 OK', 'Content-Length: 9'));
    client.send(get);
    await until(
      () => client.text !== '',
      () => 'the head of the response',
    );
    for (let i = 0; i < 9; i++) {
      await pass(proxy, 40);
      backend.connections.at(-1)?.send('x');
      await turns(2);
    }
    expect((await client.untilResponses(1)).map(({ body }) => body)).toEqual(['xxxxxxxxx']);
    client.destroy();
    await proxy.untilQuiet();
  });

  it('gets 504 when the upstream says nothing for too long', async () => {
    const client = await RawClient.connect(proxy.port);
    backend.onRequest = () => {};
    client.send(get);
    await until(
      () => backend.requests.length === 1,
      () => 'the request at the upstream',
    );
    await pass(proxy, 130);
    expect(client.responses().map(statusOf)).toEqual([504]);
    client.destroy();
    await proxy.untilQuiet();
  });
});

describe('a connection without a stream', () => {
  it.each([
    ['that never sent anything', ''],
    ['that was served', get],
  ])('%s closes when it was idle for too long', async (_, bytes) => {
    const client = await RawClient.connect(proxy.port);
    client.send(bytes);
    await client.untilResponses(bytes === '' ? 0 : 1);
    await turns(2);
    await pass(proxy, 590);
    expect(client.isOver).toBe(false);
    await pass(proxy, 15);
    expect(client.isOver).toBe(true);
    expect(client.wasReset).toBe(false);
    client.destroy();
    await proxy.untilQuiet();
  });

  it('is given up a second after its FIN when the client does not close', async () => {
    const client = await RawClient.connect(proxy.port);
    client.send(head('GET / HTTP/1.1', 'Host: a', 'Connection: close'));
    await client.untilOver();
    expect(proxy.stat('http.codec.downstream_cx_active')).toBe(1);
    await pass(proxy, 3);
    expect(proxy.stat('http.codec.downstream_cx_active')).toBe(0);
    client.destroy();
    await proxy.untilQuiet();
  });
});
