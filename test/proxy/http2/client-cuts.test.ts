/** R9: the client goes away at every byte of what it sends; what was whole is served, what was not never looks whole. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { http2Cluster } from '../../support/http2/bootstraps.ts';
import {
  Flag,
  continuation,
  data,
  headers,
  padded,
  ping,
  preface,
  settings,
  settingsAck,
} from '../../support/http2/frames.ts';
import { block } from '../../support/http2/hpack-writer.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawServer } from '../../support/http2/raw-server.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { turns, until } from '../../support/turns.ts';
import { cutNames, cutOffsets, sendAndCut } from './cuts.ts';
import { concat, get, lastData, post, requestFields } from './server-case.ts';

const body = 'Hello\r\nworld';
const fields = block(requestFields('POST', '/2'));

interface Piece {
  readonly bytes: Buffer;
  /** With its last byte a request with this path is whole. */
  readonly ends?: string;
}

/** A conversation with all that a request may consist of. */
const pieces: readonly Piece[] = [
  { bytes: concat(preface, settings(), settingsAck) },
  { bytes: get(1, '/1'), ends: '/1' },
  { bytes: concat(headers(3, fields.subarray(0, 20), 0), continuation(3, fields.subarray(20))) },
  {
    bytes: concat(data(3, padded(body.slice(0, 4), 5), Flag.padded), ping(), lastData(3, body.slice(4))),
    ends: '/2',
  },
  { bytes: post(5, '/3', ['content-length', String(body.length)]) },
  { bytes: concat(data(5, body.slice(0, 5)), lastData(5, body.slice(5))), ends: '/3' },
  { bytes: concat(post(7, '/4'), data(7, body), headers(7, block([['x-trailer', '1']]), 5)), ends: '/4' },
];
const whole = Buffer.concat(pieces.map(({ bytes }) => bytes));

/** Paths of the requests that are whole with the first `at` bytes. */
function completeAt(at: number): string[] {
  const paths: string[] = [];
  let end = 0;
  for (const { bytes, ends } of pieces) {
    end += bytes.length;
    if (ends !== undefined && end <= at) paths.push(ends);
  }
  return paths;
}

describe('when the client of a server of HTTP/1.1 goes away', () => {
  const backend = new RawBackend();
  let proxy: CodecProxy;
  let peer: RawPeer;

  beforeAll(async () => {
    await backend.start();
    proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
  });
  afterEach(() => peer.destroy());
  afterAll(async () => {
    await proxy.close();
    await backend.close();
  });

  it.each(cutNames)('with %s, nothing half arrives', async (name) => {
    for (const at of cutOffsets(whole.length)) {
      backend.clear();
      peer = await RawPeer.connect(proxy.port);
      peer.isPolite = false;
      await sendAndCut(peer, whole, at, name);
      peer.destroy();
      await proxy.untilQuiet();
      await until(
        () => backend.openConnections.every(({ partial }) => partial === ''),
        () => `the end of connections with half a request at ${at}`,
      );
      const seen = backend.requests.map(({ startLine }) => startLine.split(' ')[1] ?? '');
      for (const path of seen) expect(completeAt(at), `at ${at}`).toContain(path);
      for (const request of backend.requests) {
        const isPost = request.startLine.startsWith('POST');
        expect(request.body, `at ${at}`).toBe(isPost ? body : '');
      }
    }
  });

  it('after what was whole was answered, all of that was right', async () => {
    for (const at of cutOffsets(whole.length)) {
      backend.clear();
      peer = await RawPeer.connect(proxy.port);
      peer.isPolite = false;
      peer.sendRaw(whole.subarray(0, at));
      const ids = completeAt(at).map((path) => 2 * Number(path.slice(1)) - 1);
      for (const id of ids) {
        const { status, body: answer } = await peer.whole(id);
        expect([status, answer], `stream ${id} at ${at}`).toEqual([200, 'ok']);
      }
      peer.reset();
      await proxy.untilQuiet();
      expect(backend.requests.length, `requests at ${at}`).toBe(ids.length);
    }
  });

  it('and others are served as ever', async () => {
    peer = await RawPeer.open(proxy.port);
    peer.sendHead(1, requestFields('GET', '/'));
    expect((await peer.whole(1)).body).toBe('ok');
  });
});

describe('when the client of a server of HTTP/2 goes away', () => {
  let server: RawServer;
  let proxy: CodecProxy;

  beforeAll(async () => {
    server = await RawServer.start();
    proxy = await CodecProxy.start({ upstreamPorts: [server.port], cluster: http2Cluster() });
  });
  afterAll(async () => {
    expect(server.breaches).toEqual([]);
    await proxy.close();
    await server.close();
  });

  it.each(cutNames)('with %s, what was half sent is reset, and the connection to the server stays', async (name) => {
    for (const at of cutOffsets(whole.length)) {
      server.requests.length = 0;
      const peer = await RawPeer.connect(proxy.port);
      peer.isPolite = false;
      await sendAndCut(peer, whole, at, name);
      peer.destroy();
      await until(
        () => proxy.stat('http.codec.downstream_rq_active') + proxy.stat('http.codec.downstream_cx_active') === 0,
        () => `the end of the client at ${at}`,
      );
      await turns(3);
      for (const connection of server.openConnections) await connection.roundTrip();
      for (const { path, message } of server.requests) {
        expect(message.isOver, `${path} at ${at}`).toBe(true);
        if (message.isEnded) expect(completeAt(at), `at ${at}`).toContain(path);
        if (message.isEnded && path !== '/1') expect(message.body, `${path} at ${at}`).toBe(body);
        expect(body.startsWith(message.body), `${path} at ${at}`).toBe(true);
      }
    }
    expect(server.connections.length, 'connections to the server').toBeLessThanOrEqual(cutNames.length);
  });
});
