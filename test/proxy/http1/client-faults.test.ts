/** The client fails at every byte of its requests: what was complete is served, what was not never looks complete. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { statusOf } from '../../support/http-message.ts';
import { type BackendConnection, okResponse, RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const backend = new RawBackend();
let proxy: CodecProxy;
const clients: RawClient[] = [];

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port], manager: { request_headers_timeout: '10s' } });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
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

interface Conversation {
  readonly bytes: string;
  /** Offsets at which a head and a whole request are complete, one entry per request. */
  readonly requests: readonly { readonly headEnd: number; readonly end: number }[];
}

/** Requests one behind the other. */
function conversation(...requests: readonly (readonly [head: string, body: string])[]): Conversation {
  let bytes = '';
  const ends = requests.map(([head, body]) => {
    const headEnd = bytes.length + head.length;
    bytes += head + body;
    return { headEnd, end: bytes.length };
  });
  return { bytes, requests: ends };
}

const conversations: Readonly<Record<string, Conversation>> = {
  'a GET': conversation([head('GET / HTTP/1.1', 'Host: a'), '']),
  'a body with Content-Length': conversation([head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 6'), 'ab\r\ncd']),
  'a chunked body': conversation([
    head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'),
    '3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n',
  ]),
  'pipelined requests': conversation(
    [head('GET /1 HTTP/1.1', 'Host: a'), ''],
    [head('POST /2 HTTP/1.1', 'Host: a', 'Content-Length: 3'), 'abc'],
    [head('PUT /3 HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'), '1\r\nx\r\n0\r\n\r\n'],
  ),
};

/** How far the client got when it stops at `at`. */
function progress({ requests }: Conversation, at: number): { complete: number; isInHead: boolean; isInBody: boolean } {
  const complete = requests.filter(({ end }) => end <= at).length;
  const next = requests[complete];
  const start = requests[complete - 1]?.end ?? 0;
  const isInBody = next !== undefined && at >= next.headEnd;
  return { complete, isInBody, isInHead: !isInBody && at > start };
}

/** Sends the first `at` bytes and waits for the responses to what is complete among them. */
async function begin(talk: Conversation, at: number): Promise<RawClient> {
  backend.clear();
  const { complete, isInBody } = progress(talk, at);
  const client = await connect();
  client.send(talk.bytes.slice(0, at));
  await client.untilResponses(complete);
  await turns(2);
  expect(backend.requests.length, `complete requests at the upstream at ${at}`).toBe(complete);
  expect(client.responses().map(statusOf), `responses at ${at}`).toEqual(Array.from({ length: complete }, () => 200));
  expect(proxy.stat('http.codec.downstream_rq_active'), `active at ${at}`).toBe(isInBody ? 1 : 0);
  return client;
}

/** Nothing is left, and no upstream connection that carried half a request is used again. */
async function expectCleanEnd(client: RawClient, completed: number): Promise<void> {
  client.destroy();
  await until(
    () => backend.openConnections.every(({ partial }) => partial === ''),
    () => 'the end of the connection with half a request',
  );
  expect(backend.requests.length, 'requests at the upstream').toBe(completed);
  await proxy.untilQuiet();
}

describe.each(Object.entries(conversations))('when the client stops in the middle of %s', (_, talk) => {
  const offsets = Array.from({ length: talk.bytes.length }, (_, at) => at);

  it('with RST, the upstream connection is closed with it', async () => {
    for (const at of offsets) {
      const client = await begin(talk, at);
      client.reset();
      await expectCleanEnd(client, progress(talk, at).complete);
    }
  });

  it('with RST in one go with its bytes, no half request is left anywhere', async () => {
    for (const at of [...offsets, talk.bytes.length]) {
      backend.clear();
      const accepted = proxy.stat('http.codec.downstream_cx_total');
      const client = await connect();
      client.send(talk.bytes.slice(0, at));
      client.reset();
      await until(() => proxy.stat('http.codec.downstream_cx_total') === accepted + 1);
      await proxy.untilQuiet();
      const whole = talk.requests.filter(({ end }) => end <= at).length;
      expect(backend.requests.length, `complete requests at the upstream at ${at}`).toBeLessThanOrEqual(whole);
      await expectCleanEnd(client, backend.requests.length);
      // Whoever comes next is served as ever.
      const next = await connect();
      next.send(head('GET / HTTP/1.1', 'Host: a'));
      expect((await next.untilResponses(1)).map(statusOf), `the next client at ${at}`).toEqual([200]);
      next.destroy();
      await proxy.untilQuiet();
    }
  });

  it('with FIN, what is complete is served and an incomplete request is cut off', async () => {
    for (const at of offsets) {
      const { complete, isInBody } = progress(talk, at);
      const client = await begin(talk, at);
      client.end();
      await client.untilOver();
      await turns(1);
      expect(client.wasReset, `at ${at}`).toBe(isInBody);
      expect(client.responses().length, `at ${at}`).toBe(complete);
      await expectCleanEnd(client, complete);
    }
  });

  it('and stalls, it is answered with 408 when its time is over', async () => {
    for (const at of offsets) {
      const { complete, isInHead, isInBody } = progress(talk, at);
      const client = await begin(talk, at);
      if (isInHead) proxy.clock.advance(11_000);
      else if (isInBody) proxy.clock.advance(602_000);
      if (isInHead || isInBody) {
        await client.untilOver();
        expect(client.responses().map(statusOf)[complete], `at ${at}`).toBe(408);
      }
      await expectCleanEnd(client, complete);
    }
  });
});

describe('when the client sends FIN right behind its requests', () => {
  it('all of them are served before the connection ends', async () => {
    const talk = conversations['pipelined requests'] ?? conversation();
    backend.clear();
    const client = await connect();
    client.send(talk.bytes);
    client.end();
    await client.untilOver();
    expect(client.responses().map(statusOf)).toEqual([200, 200, 200]);
    expect(client.wasReset).toBe(false);
    await expectCleanEnd(client, 3);
  });

  it('those that are complete are served, the one that is not is cut off', async () => {
    const talk = conversations['pipelined requests'] ?? conversation();
    for (let at = 1; at < talk.bytes.length; at++) {
      const { complete } = progress(talk, at);
      backend.clear();
      const client = await connect();
      client.send(talk.bytes.slice(0, at));
      client.end();
      await client.untilOver();
      expect(client.responses().map(statusOf), `at ${at}`).toEqual(Array.from({ length: complete }, () => 200));
      await expectCleanEnd(client, complete);
    }
  });
});

describe('when the client goes away while it waits for the response', () => {
  it.each(['before the response began', 'in the middle of the response'])(
    '%s, the upstream connection is closed',
    async (when) => {
      backend.clear();
      backend.onRequest = (connection) => {
        if (when.startsWith('in')) connection.send(`${head('HTTP/1.1 200 OK', 'Content-Length: 10')}abc`);
      };
      const client = await connect();
      client.send(head('GET / HTTP/1.1', 'Host: a'));
      await until(
        () => backend.requests.length === 1 && (when.startsWith('before') || client.text.endsWith('abc')),
        () => 'the request at the upstream',
      );
      client.reset();
      await until(
        () => backend.openConnections.length === 0,
        () => 'the end of the upstream connection',
      );
      await proxy.untilQuiet();
    },
  );
});

describe('a client that goes away with more requests behind the one that is not answered', () => {
  const requests = head('GET /1 HTTP/1.1', 'Host: a') + head('GET /2 HTTP/1.1', 'Host: a');

  async function waiting(text: string): Promise<RawClient> {
    backend.clear();
    backend.onRequest = () => {};
    const client = await connect();
    client.send(text);
    await until(() => backend.requests.length === 1);
    return client;
  }

  it('by a reset is noticed at once', async () => {
    const client = await waiting(requests);
    client.reset();
    await until(() => backend.openConnections.length === 0);
    await expectCleanEnd(client, 1);
  });

  it.each(['', head('GET /3 HTTP/1.1', 'Host: a').slice(0, -2)])(
    'by FIN is soon believed to have (%j)',
    async (rest) => {
      const client = await waiting(requests + rest);
      client.end();
      await turns(5);
      proxy.clock.advance(4_000);
      await client.untilOver();
      expect(client.responses()).toEqual([]);
      await until(() => backend.openConnections.length === 0);
      await expectCleanEnd(client, 1);
    },
  );

  it('by FIN has the answers that come meanwhile, and is given up at the first that does not', async () => {
    const client = await waiting(requests.repeat(2));
    client.end();
    await turns(5);
    for (let answered = 1; answered < 4; answered++) {
      proxy.clock.advance(500);
      backend.openConnections[0]?.send(okResponse);
      await until(() => backend.requests.length === answered + 1);
    }
    proxy.clock.advance(4_000);
    await client.untilOver();
    expect(client.responses().map(statusOf)).toEqual([200, 200, 200]);
    await expectCleanEnd(client, 4);
  });

  it('by FIN in the middle of the next one has the answer to the first', async () => {
    const client = await waiting(requests.slice(0, -2));
    client.end();
    await turns(5);
    backend.openConnections[0]?.send(okResponse);
    await client.untilOver();
    expect(client.responses().map(statusOf)).toEqual([200]);
    await expectCleanEnd(client, 1);
  });
});

describe('a client that sends FIN behind its request', () => {
  async function halfClosed(answer: (connection: BackendConnection) => void): Promise<RawClient> {
    backend.clear();
    backend.onRequest = answer;
    const client = await connect();
    client.send(head('GET / HTTP/1.1', 'Host: a'));
    await until(() => backend.requests.length === 1);
    client.end();
    await turns(5);
    return client;
  }

  it('has its answer when that comes soon', async () => {
    let connection: BackendConnection | undefined;
    const client = await halfClosed((asked) => (connection = asked));
    proxy.clock.advance(500);
    connection?.send(okResponse);
    await client.untilOver();
    expect(client.responses().map(statusOf)).toEqual([200]);
    await expectCleanEnd(client, 1);
  });

  it('has all of it when it goes on coming', async () => {
    const client = await halfClosed((asked) => asked.send(head('HTTP/1.1 200 OK', 'Content-Length: 5')));
    for (let i = 1; i <= 5; i++) {
      await until(() => client.text.endsWith(`\r\n\r\n${'.'.repeat(i - 1)}`));
      proxy.clock.advance(1_500);
      backend.openConnections[0]?.send('.');
    }
    await client.untilOver();
    expect(client.responses().map(({ body }) => body)).toEqual(['.....']);
    await expectCleanEnd(client, 1);
  });

  it('is believed to have gone when nothing comes: its upstream is not kept busy', async () => {
    const client = await halfClosed(() => {});
    proxy.clock.advance(4_000);
    await client.untilOver();
    expect(client.responses()).toEqual([]);
    await until(() => backend.openConnections.length === 0);
    await expectCleanEnd(client, 1);
  });
});
