/** The raw peers of these tests speak HTTP/2 as Node's do: what they find wrong with the proxy is wrong. */
import type http2 from 'node:http2';
import { describe, expect, it } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { Code, Flag, FrameType, Setting, data, headers, windowUpdate } from '../../support/http2/frames.ts';
import { huffmanCodes, readHuffman, writeHuffman } from '../../support/http2/hpack-huffman.ts';
import { block } from '../../support/http2/hpack-writer.ts';
import { NodeClient, NodeServer } from '../../support/http2/node-peers.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawServer } from '../../support/http2/raw-server.ts';
import { requestFields } from './server-case.ts';

const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));

describe('the Huffman code', () => {
  it('is complete, and reads what it writes', () => {
    expect(huffmanCodes.reduce((sum, { bits }) => sum + 2 ** (30 - bits), 0)).toBe(2 ** 30);
    expect(readHuffman(writeHuffman(everyByte))).toBe(everyByte);
  });

  it('has the bytes of RFC 7541, C.4', () => {
    expect(writeHuffman('www.example.com').toString('hex')).toBe('f1e3c2e5f23a6ba0ab90f4ff');
  });
});

describe('a raw client at a server of Node', () => {
  it('reads its fields in Huffman coding and from its table, its bodies and trailers', async () => {
    const server = closeAfterTest(await NodeServer.start('h2'));
    server.respond = (request, response) => {
      response.writeHead(200, { 'x-path': request.url ?? '', 'x-text': 'Hello, {World}! ^~|\xe9' });
      response.write('body of ');
      response.addTrailers({ 'x-trailer': 'last' });
      response.end(request.url);
    };
    const peer = closeAfterTest(await RawPeer.open(server.port));
    for (const streamId of [1, 3, 5]) {
      peer.sendHead(streamId, requestFields('GET', `/${streamId}`));
      const { status, body, trailers, head } = await peer.whole(streamId);
      expect([status, body, trailers]).toEqual([200, `body of /${streamId}`, [['x-trailer', 'last']]]);
      expect(head).toContainEqual(['x-text', 'Hello, {World}! ^~|\xe9']);
    }
    expect(peer.breaches).toEqual([]);
  });

  it('hears when it breaks the rules, and keeps to windows of its own', async () => {
    const server = closeAfterTest(await NodeServer.start('h2'));
    server.respond = (_, response) => void response.end(Buffer.alloc(100_000, 'x'));
    const peer = closeAfterTest(await RawPeer.open(server.port, [Setting.initialWindowSize, 10]));
    peer.sendHead(1, requestFields('GET', '/'));
    await peer.until(() => peer.message(1).bodyBytes === 10, 'ten bytes');
    await peer.roundTrip();
    expect(peer.message(1).bodyBytes).toBe(10);
    peer.send(windowUpdate(1, 99_991), windowUpdate(0, 40_000));
    expect((await peer.whole(1)).bodyBytes).toBe(100_000);
    expect(peer.breaches).toEqual([]);
    peer.send(data(99, 'idle'));
    expect(await peer.nextCode(FrameType.goaway)).toBe(Code.protocolError);
  });
});

describe('a raw server of a client of Node', () => {
  it('reads its requests with bodies and trailers, and answers them', async () => {
    const server = closeAfterTest(await RawServer.start());
    const client = closeAfterTest(await NodeClient.connect('h2', server.port));
    const fields = { 'x-a': 'Hello, {World}! ^~|', 'x-b': 'y'.repeat(300) };
    for (const path of ['/1', '/2', '/3']) {
      const request = { method: 'POST', path, headers: fields, body: 'x'.repeat(20_000), trailers: { 'x-t': path } };
      const answer = await client.call(request);
      expect([answer.status, answer.body.toString()]).toEqual([200, 'ok']);
    }
    expect(server.requests.map(({ path, message }) => [path, message.bodyBytes, message.trailers])).toEqual(
      ['/1', '/2', '/3'].map((path) => [path, 20_000, [['x-t', path]]]),
    );
    expect(server.requests[2]?.message.head).toEqual(expect.arrayContaining(Object.entries(fields)));
    expect(server.breaches).toEqual([]);
  });

  it('is understood when it resets, says goodbye, and goes away', async () => {
    const server = closeAfterTest(await RawServer.start());
    server.onRequest = ({ peer, streamId }) => {
      peer.send(headers(streamId, block([[':status', '200']]), Flag.endHeaders));
      peer.destroy();
    };
    const client = closeAfterTest(await NodeClient.connect('h2', server.port));
    const { response, answer } = client.begin({}, true);
    expect((await response).status).toBe(200);
    await expect(answer).rejects.toThrow();
  });
});

describe('what a raw peer finds wrong', () => {
  it.each([
    [
      'a name in upper case',
      [
        [':status', '200'],
        ['X', '1'],
      ] as const,
      'stream 1: the name "X"',
    ],
    [
      'connection',
      [
        [':status', '200'],
        ['connection', 'close'],
      ] as const,
      'stream 1: the header connection',
    ],
    ['no status', [['x', '1']] as const, 'stream 1: a response without :status'],
    [
      'a pseudo-header last',
      [
        ['x', '1'],
        [':status', '200'],
      ] as const,
      'stream 1: a pseudo-header behind a header',
    ],
  ])('is %s', async (_, fields, breach) => {
    const server = closeAfterTest(await RawServer.start());
    server.onRequest = ({ peer, streamId }) => peer.sendHead(streamId, fields);
    const peer = closeAfterTest(await RawPeer.open(server.port));
    peer.sendHead(1, requestFields('GET', '/'));
    await peer.whole(1);
    expect(peer.breaches).toContain(breach);
  });

  it.each([
    ['DATA behind END_STREAM', (peer: RawPeer) => peer.sendData(1, 'x'), 'comes behind END_STREAM'],
    ['DATA beyond a window', (peer: RawPeer) => peer.send(...tooMuch(3)), 'exceeds the window of its stream by 1'],
    ['an answer to nothing', (peer: RawPeer) => peer.sendHead(7, [[':status', '200']]), 'answers no request'],
    ['a frame that is too large', (peer: RawPeer) => peer.sendData(3, 'x'.repeat(16_385)), 'is too large'],
    ['CONTINUATION of nothing', (peer: RawPeer) => peer.send(headersAs(9, 3)), 'continues nothing'],
    [
      'an acknowledgement of nothing',
      (peer: RawPeer) => peer.send(Buffer.from('000000040100000000', 'hex')),
      'acknowledges nothing',
    ],
  ])('is %s', async (_, misbehave, breach) => {
    const server = closeAfterTest(await RawServer.start());
    server.onHead = ({ peer, streamId }) => {
      peer.sendHead(streamId, [[':status', '200']], streamId === 1);
      if (streamId === 3) misbehave(peer);
    };
    server.onRequest = () => {};
    const peer = closeAfterTest(await RawPeer.open(server.port));
    peer.sendHead(1, requestFields('GET', '/'));
    peer.sendHead(3, requestFields('GET', '/'));
    await peer.until(() => peer.breaches.length > 0, 'a breach');
    expect(peer.breaches.join()).toContain(breach);
  });
});

/** One byte more than the window of a stream, by a connection that allows it. */
function tooMuch(streamId: number): Buffer[] {
  return [...Array.from({ length: 3 }, () => 16_384), 16_384].map((length) => data(streamId, 'x'.repeat(length)));
}

function headersAs(type: number, streamId: number): Buffer {
  const bytes = headers(streamId, block([['x', '1']]));
  bytes[3] = type;
  return bytes;
}

it('Node agrees with the literal header blocks', async () => {
  const server = closeAfterTest(await NodeServer.start('h2'));
  const seen: http2.IncomingHttpHeaders[] = [];
  server.respond = (request, response) => {
    seen.push(request.headers);
    response.end();
  };
  const peer = closeAfterTest(await RawPeer.open(server.port));
  peer.sendHead(1, requestFields('GET', '/x', ['x-long', 'y'.repeat(5_000)], ['x-empty', '']));
  expect((await peer.whole(1)).status).toBe(200);
  expect(seen[0]).toMatchObject({ ':path': '/x', 'x-long': 'y'.repeat(5_000), 'x-empty': '' });
});
