/** What comes behind a body: from end to end where both ends speak HTTP/2, and never in the way where one does not. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Flag, continuation, headers } from '../../support/http2/frames.ts';
import { http2Cluster } from '../../support/http2/bootstraps.ts';
import { block } from '../../support/http2/hpack-writer.ts';
import type { NodeClient, Protocol } from '../../support/http2/node-peers.ts';
import { Pair, protocolPairs } from '../../support/http2/pairs.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawServer } from '../../support/http2/raw-server.ts';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { requestFields } from './server-case.ts';

const pairs = {} as Record<Protocol, Pair>;
let server: RawServer;
let proxy: CodecProxy;

beforeAll(async () => {
  pairs.h1 = await Pair.start('h1');
  pairs.h2 = await Pair.start('h2');
  server = await RawServer.start();
  proxy = await CodecProxy.start({ upstreamPorts: [server.port], cluster: http2Cluster() });
});
afterEach(async () => {
  expect(server.breaches).toEqual([]);
  await server.clear();
  await proxy.untilQuiet();
});
afterAll(async () => {
  await pairs.h1.close();
  await pairs.h2.close();
  await proxy.close();
  await server.close();
});

it.each(protocolPairs)('trailers of a request and of its response from %s to %s', async (downstream, upstream) => {
  const pair = pairs[upstream];
  const client: NodeClient = await pair.connect(downstream);
  let seen: Readonly<Record<string, unknown>> = {};
  pair.server.respond = (request, response) => {
    response.writeHead(200, upstream === 'h1' ? { trailer: 'x-after' } : {});
    request.resume();
    request.on('end', () => {
      seen = request.trailers;
      response.write('body');
      response.addTrailers({ 'x-after': 'response' });
      response.end();
    });
  };
  const request = { method: 'POST', headers: { te: 'trailers' }, body: 'abc', trailers: { 'x-after': 'request' } };
  const answer = await client.call({
    ...request,
    headers: downstream === 'h1' ? { 'transfer-encoding': 'chunked' } : {},
  });
  expect(answer).toMatchObject({ status: 200, body: Buffer.from('body') });
  if (downstream === 'h2' && upstream === 'h2') {
    expect(seen).toMatchObject({ 'x-after': 'request' });
    expect(answer.trailers).toMatchObject({ 'x-after': 'response' });
  }
  // On the same connections.
  expect((await client.call()).status).toBe(200);
  await pair.clear();
});

const trailers = [
  ['grpc-status', '0'],
  ['x-same', '1'],
  ['x-same', '2'],
  ['x-empty', ''],
  ['__proto__', 'x'],
] as const;

it.each([
  ['a body', 'abc'],
  ['an empty body', ''],
])('trailers behind %s keep their order, both ways', async (_, body) => {
  const peer = await RawPeer.open(proxy.port);
  server.onRequest = ({ peer, streamId }) => {
    peer.sendHead(streamId, [[':status', '200']], false);
    peer.sendData(streamId, body, false);
    peer.sendHead(streamId, trailers);
  };
  peer.sendHead(1, requestFields('POST', '/'), false);
  peer.sendData(1, body, false);
  peer.send(headers(1, block(trailers), Flag.endHeaders | Flag.endStream));
  const answer = await peer.whole(1);
  expect([answer.status, answer.body, answer.trailers]).toEqual([200, body, trailers]);
  const { message } = await server.request();
  expect([message.body, message.trailers]).toEqual([body, trailers]);
  expect(peer.breaches).toEqual([]);
  peer.destroy();
});

it('trailers alone, with the end of the stream in the only HEADERS, are a head', async () => {
  const peer = await RawPeer.open(proxy.port);
  const fields = [
    [':status', '200'],
    ['content-type', 'application/grpc'],
    ['grpc-status', '5'],
  ] as const;
  server.onRequest = ({ peer, streamId }) => peer.sendHead(streamId, fields);
  peer.sendHead(1, requestFields('POST', '/', ['content-type', 'application/grpc'], ['te', 'trailers']));
  const answer = await peer.whole(1);
  expect(answer.header('grpc-status')).toBe('5');
  expect([answer.trailers, answer.bodyBytes]).toEqual([undefined, 0]);
  expect((await server.request()).message.header('te')).toBe('trailers');
  peer.destroy();
});

it('large trailers come in pieces', async () => {
  const peer = await RawPeer.open(proxy.port);
  const many = Array.from({ length: 40 }, (_, i) => [`x-${i}`, 'y'.repeat(1_000)] as const);
  server.onRequest = ({ peer, streamId }) => {
    const bytes = block(many);
    peer.sendHead(streamId, [[':status', '200']], false);
    peer.send(headers(streamId, bytes.subarray(0, 16_000), Flag.endStream));
    peer.send(continuation(streamId, bytes.subarray(16_000, 32_000), 0));
    peer.send(continuation(streamId, bytes.subarray(32_000), Flag.endHeaders));
  };
  peer.sendHead(1, requestFields('GET', '/'));
  const answer = await peer.whole(1);
  expect(answer.trailers).toEqual(many);
  expect(peer.breaches).toEqual([]);
  peer.destroy();
});
