/** From one version to the other: what only one of them has, or needs, is added, taken away, or written otherwise. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { type HttpMessage, headerOf } from '../../support/http-message.ts';
import { http2Cluster } from '../../support/http2/bootstraps.ts';
import { Flag, headers } from '../../support/http2/frames.ts';
import { type Field, block, indexed, indexedLiteral } from '../../support/http2/hpack-writer.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawServer } from '../../support/http2/raw-server.ts';
import type { ReceivedMessage } from '../../support/http2/received-message.ts';
import { valuesOf } from '../../support/http2/fields.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { head } from '../http1/request-case.ts';
import { requestFields, whole } from './server-case.ts';

describe('from HTTP/2 to HTTP/1.1,', () => {
  const backend = new RawBackend();
  let proxy: CodecProxy;
  let peer: RawPeer;

  beforeAll(async () => {
    await backend.start();
    proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
  });
  afterEach(async () => {
    expect(peer.breaches).toEqual([]);
    peer.destroy();
    backend.clear();
    await proxy.untilQuiet();
  });
  afterAll(async () => {
    await proxy.close();
    await backend.close();
  });

  /** What the server gets of a request. */
  async function sent(fields: readonly Field[], body?: string, trailers: readonly Field[] = []): Promise<HttpMessage> {
    peer = await RawPeer.open(proxy.port);
    peer.sendHead(1, fields, body === undefined);
    if (body !== undefined) {
      peer.sendData(1, body, trailers.length === 0);
      if (trailers.length > 0) peer.sendHead(1, trailers);
    }
    expect((await peer.whole(1)).status).toBe(200);
    const [request] = backend.requests;
    if (request === undefined) throw new Error('it was answered');
    return request;
  }

  it(':authority becomes Host, and nothing is left of pseudo-headers', async () => {
    const { startLine, headers } = await sent(requestFields('GET', '/a?b', ['x-one', '1']));
    expect(startLine).toBe('GET /a?b HTTP/1.1');
    const names = headers.map(([name]) => name.toLowerCase());
    expect(names.filter((name) => name === 'host')).toEqual(['host']);
    expect(names.some((name) => name.startsWith(':'))).toBe(false);
    expect(headerOf({ headers }, 'host')).toBe('a');
    expect(headerOf({ headers }, 'x-one')).toBe('1');
  });

  it('host beside the same :authority is one Host', async () => {
    const { headers } = await sent(requestFields('GET', '/', ['host', 'a']));
    expect(headers.filter(([name]) => name.toLowerCase() === 'host').map(([, value]) => value)).toEqual(['a']);
  });

  it('crumbs of cookies become one Cookie (RFC 9113 §8.2.3)', async () => {
    const { headers } = await sent(
      requestFields('GET', '/', ['cookie', 'a=1'], ['x', '1'], ['cookie', 'b=2'], ['cookie', 'c=3; d=4']),
    );
    const cookies = headers.filter(([name]) => name.toLowerCase() === 'cookie').map(([, value]) => value);
    expect(cookies).toEqual(['a=1; b=2; c=3; d=4']);
  });

  it.each([
    ['of unknown length is sent in chunks', [], 'transfer-encoding', 'chunked'],
    ['of known length has that', [['content-length', '3']], 'content-length', '3'],
  ] as const)('a body %s', async (_, more, name, value) => {
    const request = await sent(requestFields('POST', '/', ...more), 'abc');
    expect([request.body, headerOf(request, name)]).toEqual(['abc', value]);
  });

  it('a body that looks like requests is a body', async () => {
    const smuggled = '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    expect((await sent(requestFields('POST', '/'), smuggled)).body).toBe(smuggled);
    expect(backend.requests.length).toBe(1);
  });

  it('trailers end a body, whatever they say', async () => {
    const request = await sent(requestFields('POST', '/'), 'abc', [
      ['x-trailer', '1'],
      ['content-length', '99'],
      ['host', 'b'],
    ]);
    expect(request.body).toBe('abc');
    expect(headerOf(request, 'host')).toBe('a');
    expect(headerOf(request, 'content-length')).toBe(undefined);
    expect(backend.requests.length).toBe(1);
  });

  it('te is of this hop', async () => {
    const request = await sent(requestFields('GET', '/', ['te', 'trailers']));
    expect(headerOf(request, 'te') ?? 'trailers').toBe('trailers');
  });

  it('a field that the table of a client repeats is there each time', async () => {
    peer = await RawPeer.open(proxy.port);
    const first = Buffer.concat([block(requestFields('GET', '/1')), indexedLiteral(['x-kept', 'value'])]);
    const then = Buffer.concat([block(requestFields('GET', '/2')), indexed(62)]);
    peer.send(headers(1, first, Flag.endHeaders | Flag.endStream), headers(3, then, Flag.endHeaders | Flag.endStream));
    await peer.whole(3);
    await peer.whole(1);
    expect(backend.requests.map((request) => headerOf(request, 'x-kept'))).toEqual(['value', 'value']);
  });

  it('what is of one connection of HTTP/1.1 is not in the response, and names are in lower case', async () => {
    backend.onRequest = (connection) => {
      const lines = [
        'Connection: keep-alive, X-Hop',
        'Keep-Alive: timeout=5',
        'X-Hop: 1',
        'Proxy-Connection: x',
        'X-Kept: 1',
      ];
      connection.send(
        `${head('HTTP/1.1 299 Whatever', ...lines, 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`,
      );
    };
    peer = await RawPeer.open(proxy.port);
    peer.send(whole(1, requestFields('GET', '/')));
    const message = await peer.whole(1);
    expect([message.status, message.body, message.header('x-kept')]).toEqual([299, 'ok', '1']);
    const fields = message.head ?? [];
    expect(valuesOf(fields, 'set-cookie')).toEqual(['a=1', 'b=2']);
    for (const name of ['connection', 'keep-alive', 'x-hop', 'proxy-connection', 'transfer-encoding']) {
      expect(valuesOf(fields, name), name).toEqual([]);
    }
  });

  it('a response that ends with its connection ends', async () => {
    backend.onRequest = (connection) => {
      connection.send(`${head('HTTP/1.0 200 OK')}until the end`);
      connection.socket.end();
    };
    peer = await RawPeer.open(proxy.port);
    peer.send(whole(1, requestFields('GET', '/')));
    expect((await peer.whole(1)).body).toBe('until the end');
  });
});

describe('from HTTP/1.1 to HTTP/2,', () => {
  let server: RawServer;
  let proxy: CodecProxy;
  let client: RawClient;

  beforeAll(async () => {
    server = await RawServer.start();
    proxy = await CodecProxy.start({ upstreamPorts: [server.port], cluster: http2Cluster() });
  });
  afterEach(async () => {
    client.destroy();
    expect(server.breaches).toEqual([]);
    await server.clear();
    await proxy.untilQuiet();
  });
  afterAll(async () => {
    await proxy.close();
    await server.close();
  });

  async function sent(text: string): Promise<ReceivedMessage> {
    client = await RawClient.connect(proxy.port);
    client.send(text);
    expect((await client.untilResponses(1)).map(({ startLine }) => startLine)).toEqual(['HTTP/1.1 200 OK']);
    return (await server.request()).message;
  }

  it('Host becomes :authority, and names are in lower case', async () => {
    const { head: fields = [] } = await sent(head('GET /a?b HTTP/1.1', 'HOST: test:80', 'X-One: 1', 'x-ONE: 2'));
    expect(Object.fromEntries(fields.filter(([name]) => name.startsWith(':')))).toEqual({
      ':authority': 'test:80',
      ':method': 'GET',
      ':path': '/a?b',
      ':scheme': 'http',
    });
    expect(valuesOf(fields, 'host')).toEqual([]);
    expect(valuesOf(fields, 'x-one')).toEqual(['1', '2']);
  });

  it('what is of one connection stays there', async () => {
    const lines = [
      'Connection: keep-alive, X-Hop',
      'Keep-Alive: 5',
      'X-Hop: 1',
      'Proxy-Connection: x',
      'TE: trailers, gzip',
      'X-Kept: 1',
    ];
    const { head: fields = [] } = await sent(head('GET / HTTP/1.1', 'Host: a', ...lines));
    for (const name of ['connection', 'keep-alive', 'x-hop', 'proxy-connection', 'transfer-encoding', 'upgrade']) {
      expect(valuesOf(fields, name), name).toEqual([]);
    }
    expect(valuesOf(fields, 'x-kept')).toEqual(['1']);
  });

  it('an offer to upgrade to HTTP/2 is not passed on', async () => {
    const lines = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'];
    const { head: fields = [] } = await sent(head('GET / HTTP/1.1', 'Host: a', ...lines));
    expect([...valuesOf(fields, 'upgrade'), ...valuesOf(fields, 'http2-settings')]).toEqual([]);
  });

  it('chunks become a body without a length, and trailers end it', async () => {
    const text = `${head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n`;
    const message = await sent(text);
    expect([message.body, message.isEnded]).toEqual(['abcde', true]);
    expect(message.header('content-length')).toBe(undefined);
  });

  it('an empty path of an absolute target is /', async () => {
    expect((await sent(head('GET http://a HTTP/1.1', 'Host: a'))).header(':path')).toBe('/');
  });

  it('OPTIONS * is OPTIONS *', async () => {
    const message = await sent(head('OPTIONS * HTTP/1.1', 'Host: a'));
    expect([message.header(':method'), message.header(':path')]).toEqual(['OPTIONS', '*']);
  });

  it.each(['GET', 'POST', 'HEAD'])(
    'the answer to a %s whose head ends the stream, without a length, is whole',
    async (method) => {
      server.onRequest = ({ peer, streamId }) =>
        peer.sendHead(streamId, [
          [':status', '200'],
          ['x', '1'],
        ]);
      client = await RawClient.connect(proxy.port);
      client.send(head(`${method} / HTTP/1.1`, 'Host: a', 'Content-Length: 0'));
      const [response] = await client.untilResponses(1, new Set(method === 'HEAD' ? [0] : []));
      expect([response?.startLine, response?.body, client.isOver]).toEqual(['HTTP/1.1 200 OK', '', false]);
    },
  );

  it('an answer of unknown length comes in chunks, and its trailers do not get in the way', async () => {
    server.onRequest = ({ peer, streamId }) => {
      peer.sendHead(streamId, [[':status', '200']], false);
      peer.sendData(streamId, 'abc', false);
      peer.sendHead(streamId, [['x-trailer', '1']]);
    };
    client = await RawClient.connect(proxy.port);
    client.send(head('GET / HTTP/1.1', 'Host: a').repeat(2));
    expect((await client.untilResponses(2)).map(({ body }) => body)).toEqual(['abc', 'abc']);
  });

  it('an HTTP/1.0 client gets a body that ends with the connection', async () => {
    client = await RawClient.connect(proxy.port);
    client.send(head('GET / HTTP/1.0', 'Host: a'));
    await client.untilOver();
    expect(client.text.endsWith('\r\n\r\nok')).toBe(true);
    expect(client.wasReset).toBe(false);
  });
});
