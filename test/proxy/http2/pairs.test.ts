/** Ordinary clients and servers of both versions of HTTP on either side of the proxy: whatever one says the other hears. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Code } from '../../support/http2/frames.ts';
import { digestOf, randomBytes } from '../../support/http2/bodies.ts';
import {
  type Handler,
  type Incoming,
  type NodeClient,
  type Protocol,
  readRequest,
  resetCodeOf,
} from '../../support/http2/node-peers.ts';
import { Pair, protocolPairs } from '../../support/http2/pairs.ts';
import { until } from '../../support/turns.ts';

const pairs = {} as Record<Protocol, Pair>;

beforeAll(async () => {
  pairs.h1 = await Pair.start('h1');
  pairs.h2 = await Pair.start('h2');
});
afterAll(async () => {
  await pairs.h1.close();
  await pairs.h2.close();
});

/** Answers with as many random bytes as `x-bytes` says, and the digest of what it was sent. */
const exchangeBodies: Handler = (request, response) => {
  void readRequest(request).then((body) => {
    const content = randomBytes(Number(request.headers['x-bytes']), 7);
    response.writeHead(200, { 'x-digest': digestOf(body), 'x-length': String(request.headers['content-length']) });
    response.end(content);
  });
};

describe.each(protocolPairs)('%s to %s:', (downstream, upstream) => {
  let pair: Pair;
  let client: NodeClient;

  beforeAll(async () => {
    pair = pairs[upstream];
    client = await pair.connect(downstream);
  });
  afterEach(async () => {
    await pair.clear();
    client = await pair.connect(downstream);
  });
  afterAll(() => pair.clear());

  it.each([0, 1, 65_535, 65_536, 5 * 1_048_576])('bodies of %i bytes go both ways unchanged', async (bytes) => {
    pair.server.respond = exchangeBodies;
    const body = randomBytes(bytes);
    for (const hasLength of [true, false]) {
      const headers = { 'x-bytes': String(bytes), ...(hasLength ? { 'content-length': String(bytes) } : {}) };
      const answer = await client.call({ method: 'POST', path: '/bodies', headers, body });
      expect(answer.status).toBe(200);
      expect(answer.headers['x-digest']).toBe(digestOf(body));
      expect(answer.headers['x-length']).toBe(hasLength ? String(bytes) : answer.headers['x-length']);
      expect(digestOf(answer.body)).toBe(digestOf(randomBytes(bytes, 7)));
    }
  });

  it('a hundred requests at once, each with its own answer', async () => {
    pair.server.respond = exchangeBodies;
    const calls = Array.from({ length: 100 }, async (_, i) => {
      const body = randomBytes(20_000 + i * 100);
      const headers = { 'x-bytes': String(1_000 * i), 'x-i': String(i) };
      const answer = await client.call({ method: 'PUT', path: `/${i}`, headers, body });
      expect([answer.status, answer.body.length]).toEqual([200, 1_000 * i]);
      expect(answer.headers['x-digest']).toBe(digestOf(body));
    });
    await Promise.all(calls);
  });

  it('method, path, headers and what they say of the request come through', async () => {
    let seen: Incoming | undefined = undefined;
    pair.server.respond = (request, response) => {
      seen = request;
      response.writeHead(418, { 'x-answer': ['1', '2'], 'set-cookie': ['a=1', 'b=2'], 'x-empty': '' });
      response.end('short and stout');
    };
    const headers = { 'x-one': 'Grüße'.normalize(), 'x-two': '', __proto__x: '1', cookie: 'a=1; b=2' };
    const answer = await client.call({ method: 'M-SEARCH', path: '/a/b?c=d&e=%2F', headers });
    expect(seen).toMatchObject({ method: 'M-SEARCH', url: '/a/b?c=d&e=%2F' });
    expect(seen).toMatchObject({ headers: { 'x-two': '', __proto__x: '1', cookie: 'a=1; b=2' } });
    const { headers: received = {} } = seen ?? ({} as Partial<Incoming>);
    expect(received['host'] ?? received[':authority']).toBe('test');
    expect(answer).toMatchObject({ status: 418, body: Buffer.from('short and stout') });
    expect(answer.headers).toMatchObject({ 'x-answer': '1, 2', 'set-cookie': ['a=1', 'b=2'], 'x-empty': '' });
  });

  it.each([
    ['HEAD', 200, { 'content-length': '1234' }],
    ['GET', 204, {}],
    ['GET', 304, { etag: '"1"' }],
    ['GET', 205, { 'content-length': '0' }],
  ])('%s with status %i has no content, and the next request is served', async (method, status, headers) => {
    pair.server.respond = (_, response) => {
      response.writeHead(status, { ...headers });
      response.end();
    };
    for (let i = 0; i < 2; i++) {
      const answer = await client.call({ method });
      expect(answer).toMatchObject({ status, headers, body: Buffer.alloc(0) });
    }
  });

  it('an answer whose head is all there is, without a length, is heard at once', async () => {
    pair.server.respond = (_, response) => response.end();
    for (const method of ['GET', 'POST', 'PUT']) {
      expect(await client.call({ method })).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    }
  });

  it('a request that expects to hear that it may go on hears so', async () => {
    pair.server.respond = exchangeBodies;
    const headers = { expect: '100-continue', 'x-bytes': '3', 'content-length': '3' };
    const exchange = client.begin({ method: 'POST', headers });
    const interim = new Promise((resolve) => {
      exchange.request.once('continue', resolve);
    });
    await interim;
    exchange.request.end('abc');
    const answer = await exchange.answer;
    expect([answer.status, answer.headers['x-digest']]).toEqual([200, digestOf(Buffer.from('abc'))]);
  });

  it('an answer that comes before the end of its request is heard', async () => {
    pair.server.respond = (request, response) => {
      response.writeHead(413);
      response.end('too much');
      request.resume();
    };
    const exchange = client.begin({ method: 'POST', path: '/early' });
    exchange.request.write(randomBytes(1_000));
    const { status } = await exchange.response;
    expect(status).toBe(413);
    exchange.request.end();
    const answer = await exchange.answer.catch(() => undefined);
    if (answer !== undefined) expect(answer.body.toString()).toBe('too much');
  });

  it('both directions may go on at once, piece by piece', async () => {
    pair.server.respond = (request, response) => {
      response.writeHead(200);
      request.on('data', (chunk: Buffer) => response.write(chunk));
      request.on('end', () => response.end('end'));
    };
    const exchange = client.begin({ method: 'POST', path: '/echo' });
    exchange.request.write('first');
    const { body } = await exchange.response;
    let text = '';
    body.on('data', (chunk: Buffer) => (text += chunk.toString()));
    for (const [i, piece] of ['second', 'third', 'fourth'].entries()) {
      const sofar = ['first', 'second', 'third'].slice(0, i + 1).join('');
      await until(
        () => text === sofar,
        () => `${sofar}, got ${text}`,
      );
      exchange.request.write(piece);
    }
    exchange.request.end();
    await exchange.answer;
    expect(text).toBe('firstsecondthirdfourthend');
  });

  it('a client that gives up is missed by the server', async () => {
    let code: number | undefined = undefined;
    pair.server.respond = (_, response) => {
      response.on('close', () => (code = resetCodeOf(response)));
      response.writeHead(200);
      response.write('begun');
    };
    const exchange = client.begin({ path: '/cancelled' }, true);
    await exchange.response;
    exchange.cancel();
    await expect(exchange.answer).rejects.toThrow();
    await until(
      () => code !== undefined,
      () => 'the server to hear of it',
    );
    expect(code).toBe(Code.cancel);
    pair.server.respond = (_, response) => response.end('ok');
    expect((await client.call()).body.toString()).toBe('ok');
  });

  it('a server that breaks off is not taken for one that has finished', async () => {
    pair.server.respond = (_, response) => {
      response.writeHead(200);
      response.write('begun');
      setImmediate(() => response.destroy());
    };
    const exchange = client.begin({ path: '/broken' }, true);
    await expect(exchange.answer).rejects.toThrow();
  });
});
