import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { headerOf, statusOf } from '../../support/http-message.ts';
import { RawBackend, okResponse } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const get = head('GET / HTTP/1.1', 'Host: a');
const backend = new RawBackend();
let proxy: CodecProxy;
let client: RawClient;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port], cluster: { connect_timeout: '1s' } });
});
beforeEach(async () => {
  client?.destroy();
  await proxy.untilQuiet();
  await until(
    () => backend.openConnections.length === 0,
    () => 'the end of the connections of the test before',
  );
  backend.clear();
  client = await RawClient.connect(proxy.port);
});
afterAll(async () => {
  client.destroy();
  await proxy.close();
  await backend.close();
});

/** Sends `request` and returns the next response to this client. */
async function ask(request: string): Promise<{ status: number; reason: string | undefined; body: string }> {
  const before = client.responses().length;
  client.send(request);
  const response = (await client.untilResponses(before + 1))[before];
  if (response === undefined) throw new Error(`no response: ${client.text}`);
  return { status: statusOf(response), reason: headerOf(response, 'x-heddle-reason'), body: response.body };
}

/** Puts `count` connections into the pool. */
async function fillPool(count: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: count }, () => RawClient.connect(proxy.port)));
  const waiting: (() => void)[] = [];
  backend.onRequest = (connection) => {
    waiting.push(() => connection.send(okResponse));
    if (waiting.length === count) for (const answer of waiting) answer();
  };
  for (const each of clients) each.send(get);
  for (const each of clients) await each.untilResponses(1);
  for (const each of clients) each.destroy();
  expect(backend.openConnections.length).toBe(count);
  backend.clear();
}

/** The server closes each connection of the pool at the moment a request arrives there; new ones it serves. */
function closePooled(how: 'RST' | 'FIN'): void {
  const pooled = new Set(backend.openConnections);
  backend.onRequest = (connection) => {
    if (!pooled.has(connection)) connection.send(okResponse);
    else if (how === 'RST') connection.socket.resetAndDestroy();
    else connection.socket.end();
  };
}

describe.each(['RST', 'FIN'] as const)(
  'B6: a pooled connection that the server closes with %s as a request arrives',
  (how) => {
    it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])('has %s sent once more on a new one', async (method) => {
      await fillPool(3);
      closePooled(how);
      client.send(head(`${method} / HTTP/1.1`, 'Host: a'));
      const [response] = await client.untilResponses(1, new Set(method === 'HEAD' ? [0] : []));
      expect(response && statusOf(response)).toBe(200);
      expect(backend.requests.length).toBe(2);
    });

    it('fails POST with 503 UC instead of sending it twice', async () => {
      await fillPool(3);
      closePooled(how);
      const { status, reason } = await ask(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 0'));
      expect(status).toBe(503);
      expect(reason).toMatch(/^UC /);
      expect(backend.requests.length).toBe(1);
    });

    it('has PUT sent once more with its whole body', async () => {
      await fillPool(1);
      closePooled(how);
      const { status } = await ask(`${head('PUT / HTTP/1.1', 'Host: a', 'Content-Length: 2')}ab`);
      expect(status).toBe(200);
      expect(backend.requests.at(-1)?.body).toBe('ab');
    });

    it('has POST sent once more when its Idempotency-Key lets the application recognise it', async () => {
      await fillPool(1);
      closePooled(how);
      const { status } = await ask(
        `${head('POST / HTTP/1.1', 'Host: a', 'Idempotency-Key: 7', 'Content-Length: 2')}ab`,
      );
      expect(status).toBe(200);
      expect(backend.requests.at(-1)?.body).toBe('ab');
    });

    it('costs one repetition, not two: a new connection that fails too is an answer', async () => {
      await fillPool(1);
      backend.onRequest = ({ socket }) => (how === 'RST' ? socket.resetAndDestroy() : socket.end());
      const { status, reason } = await ask(get);
      expect(status).toBe(503);
      expect(reason).toMatch(/^UC /);
      expect(backend.requests.length).toBe(2);
    });
  },
);

describe('an idle upstream connection', () => {
  it.each([
    ['FIN', (): void => void backend.openConnections[0]?.socket.end()],
    ['RST', (): void => void backend.openConnections[0]?.socket.resetAndDestroy()],
    [
      'a response nobody asked for',
      (): void => backend.openConnections[0]?.send(`${head('HTTP/1.1 200 OK', 'Content-Length: 4')}evil`),
    ],
    [
      '408 of its own accord',
      (): void => backend.openConnections[0]?.send(head('HTTP/1.1 408 Timeout', 'Connection: close')),
    ],
  ])('is given up when the server sends %s', async (_, send) => {
    expect((await ask(get)).body).toBe('ok');
    send();
    await until(
      () => proxy.stat('cluster.backend.upstream_cx_active') === 0,
      () => 'the end of the connection',
    );
    expect((await ask(get)).body).toBe('ok');
    expect(backend.requests.length).toBe(2);
  });

  it('is used by one client after the other', async () => {
    await ask(get);
    const other = await RawClient.connect(proxy.port);
    other.send(get);
    await other.untilResponses(1);
    other.destroy();
    await ask(get);
    expect(backend.connections.length).toBe(1);
  });

  it('B6: is not used any more shortly before the timeout that the server announced', async () => {
    backend.onRequest = (connection) =>
      connection.send(okResponse.replace('\r\n\r\n', '\r\nKeep-Alive: max=100, timeout=5\r\n\r\n'));
    await ask(get);
    proxy.clock.advance(3_500);
    await turns(2);
    await ask(get);
    expect(backend.connections.length, 'within the timeout').toBe(1);
    proxy.clock.advance(4_100);
    await turns(2);
    await ask(get);
    expect(backend.connections.length, 'after the timeout').toBe(2);
  });

  it.each(['0', '1'])('is closed at once when the announced timeout is %s s', async (seconds) => {
    backend.onRequest = (connection) =>
      connection.send(okResponse.replace('\r\n\r\n', `\r\nKeep-Alive: timeout=${seconds}\r\n\r\n`));
    await ask(get);
    proxy.clock.advance(1_000);
    await until(
      () => backend.openConnections.length === 0,
      () => 'the end of the connection',
    );
  });
});

describe('a response that comes before the request is complete', () => {
  const early = `${head('HTTP/1.1 413 Too Large', 'Content-Length: 3')}no!`;

  it('is forwarded, and neither connection is used again', async () => {
    backend.onBytes = (connection) => {
      backend.onBytes = () => {};
      connection.send(early);
    };
    client.send(`${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 100')}abc`);
    await client.untilOver();
    expect(client.responses().map(({ body }) => body)).toEqual(['no!']);
    expect(client.wasReset).toBe(false);
    await until(
      () => backend.openConnections.length === 0,
      () => 'the end of the upstream connection',
    );
  });

  it('may have a body that ends after the request: then both connections go on', async () => {
    backend.onBytes = (connection) => {
      backend.onBytes = () => {};
      connection.send(early.slice(0, -3));
    };
    backend.onRequest = (connection) => {
      backend.onRequest = (later) => later.send(okResponse);
      connection.send('no!');
    };
    client.send(`${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 6')}abc`);
    await until(
      () => client.text.includes('413'),
      () => 'the head of the response',
    );
    client.send('def');
    expect((await client.untilResponses(1)).map(({ body }) => body)).toEqual(['no!']);
    expect((await ask(get)).body).toBe('ok');
    expect(backend.connections.length).toBe(1);
  });

  it('can come before the first byte of the body: the head does not wait for it', async () => {
    backend.onBytes = (connection) => connection.send(early);
    client.send(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 100'));
    await client.untilOver();
    expect(client.responses().map(statusOf)).toEqual([413]);
  });

  it('to a chunked request ends the connection as well', async () => {
    backend.onBytes = (connection) => {
      backend.onBytes = () => {};
      connection.send(early);
    };
    client.send(`${head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}3\r\nabc\r\n`);
    await client.untilOver();
    expect(client.responses().map(statusOf)).toEqual([413]);
  });
});

describe('Expect: 100-continue', () => {
  it('is answered before the body is sent', async () => {
    client.send(head('PUT / HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 2'));
    expect((await client.untilResponses(1)).map(statusOf)).toEqual([100]);
    client.send('ab');
    expect((await client.untilResponses(2)).map(statusOf)).toEqual([100, 200]);
    expect(backend.requests.map(({ body }) => body)).toEqual(['ab']);
  });
});

describe('a 204 that announces a body', () => {
  it.each(['Content-Length: 5', 'Transfer-Encoding: chunked'])(
    'with %s is forwarded, and its connection is not used again',
    async (framing) => {
      backend.onRequest = (connection) => connection.send(head('HTTP/1.1 204 No Content', framing));
      expect(await ask(get)).toMatchObject({ status: 204, body: '' });
      await until(
        () => backend.openConnections.length === 0,
        () => 'the end of the connection',
      );
    },
  );

  it('of no bytes may stay', async () => {
    backend.onRequest = (connection) => connection.send(head('HTTP/1.1 204 No Content', 'Content-Length: 0'));
    await ask(get);
    await ask(get);
    expect(backend.openConnections.length).toBe(1);
  });
});
