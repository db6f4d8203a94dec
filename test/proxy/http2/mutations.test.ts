/** R6: conversations with random changes, from either side: the proxy never fails, and whoever comes next is served. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { http2Cluster } from '../../support/http2/bootstraps.ts';
import { FaultLog } from '../../support/http2/fault-log.ts';
import {
  Flag,
  Setting,
  continuation,
  data,
  frame,
  goaway,
  headers,
  padded,
  ping,
  preface,
  priority,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/http2/frames.ts';
import { block, indexed, indexedLiteral } from '../../support/http2/hpack-writer.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawServer } from '../../support/http2/raw-server.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { turns } from '../../support/turns.ts';
import { concat, get, lastData, post, requestFields } from './server-case.ts';

const log = new FaultLog();
const conversations = 400;

/** Frames that both sides might send, on any stream, in any order. */
function anyFrame(random: () => number): Buffer {
  const streamId = Math.floor(random() * 8);
  const choices: readonly (() => Buffer)[] = [
    () => data(streamId, 'x'.repeat(random() * 50), Math.floor(random() * 16)),
    () => headers(streamId, block(requestFields('GET', '/')), Math.floor(random() * 64)),
    () => headers(streamId, block([[':status', '200']]), Math.floor(random() * 64)),
    () => headers(streamId, concat(indexedLiteral(['x', 'y']), indexed(62 + random() * 3)), 5),
    () => continuation(streamId, Buffer.alloc(random() * 20), Math.floor(random() * 8)),
    () => priority(streamId, 0),
    () => rstStream(streamId, Math.floor(random() * 16)),
    () => settings([Math.floor(random() * 8), Math.floor(random() * 0xffffffff)]),
    () => settings([Setting.initialWindowSize, Math.floor(random() * 100_000)]),
    () => settingsAck,
    () => ping(),
    () => goaway(streamId, Math.floor(random() * 16)),
    () => windowUpdate(streamId, Math.floor(random() * 100_000)),
    () =>
      frame(Math.floor(random() * 12), {
        streamId,
        flags: Math.floor(random() * 256),
        payload: Buffer.alloc(random() * 30),
      }),
  ];
  return choices[Math.floor(random() * choices.length)]?.() ?? ping();
}

/** Frames are left out, doubled, exchanged and invented; and in some conversations bytes are changed. */
function mutate(frames: readonly Buffer[], random: () => number): Buffer {
  const changed: Buffer[] = [];
  for (const each of frames) {
    const dice = random();
    if (dice > 0.1) changed.push(each);
    if (dice > 0.95) changed.push(each);
    if (dice > 0.8 && dice < 0.9) changed.push(anyFrame(random));
    if (dice > 0.9 && dice < 0.93) changed.reverse();
  }
  const bytes = Buffer.concat(changed);
  const flips = random() < 0.5 ? 0 : Math.ceil(random() * 3);
  for (let i = 0; i < flips && bytes.length > 0; i++) bytes[Math.floor(random() * bytes.length)] = random() * 256;
  return bytes;
}

/** In one go, or in up to three pieces. */
async function sendPieces(peer: RawPeer, bytes: Buffer, random: () => number): Promise<void> {
  const cuts = [random(), random()].map((part) => Math.floor(part * bytes.length)).sort((a, b) => a - b);
  for (const [i, start] of [0, ...cuts].entries()) {
    const piece = bytes.subarray(start, cuts[i] ?? bytes.length);
    if (peer.socket.writable && piece.length > 0) peer.sendRaw(piece);
    await turns(2);
  }
}

describe('a client that sends anything', () => {
  const backend = new RawBackend();
  let proxy: CodecProxy;

  const frames = [
    settings([Setting.initialWindowSize, 1_000]),
    settingsAck,
    get(1, '/1', ['x', '1']),
    headers(3, block(requestFields('POST', '/2')).subarray(0, 30), 0),
    continuation(3, block(requestFields('POST', '/2')).subarray(30)),
    data(3, padded('abc', 7), Flag.padded),
    windowUpdate(3, 100),
    lastData(3, 'def'),
    post(5, '/3', ['content-length', '6']),
    ping(),
    data(5, 'abc'),
    lastData(5, 'def'),
    headers(7, concat(block(requestFields('GET', '/4')), indexedLiteral(['x', '1'])), 5),
    headers(9, concat(block(requestFields('GET', '/5')), indexed(62)), 5),
    post(11, '/6'),
    data(11, 'abc'),
    headers(11, block([['x-trailer', '1']]), 5),
    rstStream(9, 8),
  ];

  beforeAll(async () => {
    await backend.start();
    proxy = await CodecProxy.start({ upstreamPorts: [backend.port], logger: log.logger });
  });
  afterEach(() => expect(log.lines).toEqual([]));
  afterAll(async () => {
    await proxy.close();
    await backend.close();
  });

  it('harms nobody, and sends on nothing that is no request', async () => {
    for (let seed = 1; seed <= conversations; seed++) {
      const random = seededRandom(seed);
      backend.clear();
      const peer = await RawPeer.connect(proxy.port);
      peer.isPolite = false;
      peer.sendRaw(preface);
      await sendPieces(peer, mutate(frames, random), random);
      const other = await RawPeer.open(proxy.port);
      other.sendHead(1, requestFields('GET', '/other'));
      expect((await other.whole(1)).status, `seed ${seed}`).toBe(200);
      if (random() < 0.5) peer.end();
      else peer.reset();
      peer.destroy();
      other.destroy();
      await proxy.untilQuiet();
      expect(log.lines, `seed ${seed}`).toEqual([]);
      for (const { startLine, body } of backend.requests) {
        expect(startLine, `seed ${seed}`).toMatch(/^[!-~]+ [!-~]+ HTTP\/1\.1$/);
        expect(body.length, `seed ${seed}`).toBeLessThan(1_000);
      }
    }
  });
});

describe('a server that sends anything', () => {
  let server: RawServer;
  let proxy: CodecProxy;

  const frames = [
    settings([Setting.maxConcurrentStreams, 10]),
    settingsAck,
    headers(1, block([[':status', '103']])),
    headers(
      1,
      block([
        [':status', '200'],
        ['x', '1'],
      ]),
    ),
    data(1, padded('abc', 7), Flag.padded),
    ping(),
    windowUpdate(0, 100),
    lastData(1, 'def'),
    headers(
      3,
      block([
        [':status', '200'],
        ['content-length', '6'],
      ]).subarray(0, 10),
      0,
    ),
    continuation(
      3,
      block([
        [':status', '200'],
        ['content-length', '6'],
      ]).subarray(10),
    ),
    lastData(3, 'abcdef'),
    headers(5, concat(block([[':status', '200']]), indexedLiteral(['x', '1']))),
    data(5, 'abc'),
    headers(5, indexed(62), 5),
    rstStream(7, 2),
  ];

  beforeAll(async () => {
    server = await RawServer.start();
    proxy = await CodecProxy.start({ upstreamPorts: [server.port], cluster: http2Cluster(), logger: log.logger });
  });
  afterAll(async () => {
    await proxy.close();
    await server.close();
  });

  it('harms nobody, and its answers are answers or errors', async () => {
    for (let seed = 1; seed <= conversations; seed++) {
      const random = seededRandom(seed);
      const bytes = mutate(frames, random);
      server.onConnection = (peer) => {
        peer.isPolite = false;
        void sendPieces(peer, bytes, random).then(() => peer.end());
      };
      server.onRequest = () => {};
      const client = await RawPeer.open(proxy.port);
      for (const streamId of [1, 3, 5, 7]) client.sendHead(streamId, requestFields('GET', `/${streamId}`));
      for (const streamId of [1, 3, 5, 7]) {
        const { isEnded, status, body } = await client.whole(streamId);
        if (isEnded) expect([status, body.length], `seed ${seed}`).toEqual([expect.any(Number), expect.any(Number)]);
      }
      expect(client.isOver, `seed ${seed}`).toBe(false);
      expect(client.breaches, `seed ${seed}`).toEqual([]);
      await server.clear();
      client.sendHead(9, requestFields('GET', '/next'));
      expect((await client.whole(9)).body, `seed ${seed}`).toBe('ok');
      client.destroy();
      await server.clear();
      await proxy.untilQuiet();
      expect(log.lines, `seed ${seed}`).toEqual([]);
    }
  });
});
