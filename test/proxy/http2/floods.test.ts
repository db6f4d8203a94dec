/**
 * Clients that send without end what costs them little, against a proxy process: it ends the connection or takes it in its
 * stride, needs little memory and CPU time for it, and goes on serving the others.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { flood } from '../../support/flood.ts';
import {
  Code,
  Flag,
  FrameType,
  Setting,
  codeOf,
  continuation,
  data,
  frame,
  headers,
  ping,
  priority,
  rstStream,
  settings,
  windowUpdate,
} from '../../support/http2/frames.ts';
import { block, indexed, indexedLiteral, literal } from '../../support/http2/hpack-writer.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { ProxyProcess } from '../../support/proxy-process.ts';
import { RawBackend, okResponse } from '../../support/raw-backend.ts';
import { concat, get, post, requestFields } from './server-case.ts';

const backend = new RawBackend();
const peers: RawPeer[] = [];
let proxy: ProxyProcess;

beforeAll(async () => {
  await backend.start();
  proxy = await ProxyProcess.start({ upstreamPort: backend.port });
});
beforeEach(async () => {
  backend.clear();
  backend.onRequest = (connection, { startLine }) => {
    if (!startLine.includes('/held')) connection.send(okResponse);
  };
  await expectServed();
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  expect(proxy.isAlive, proxy.output).toBe(true);
  await expectServed();
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

async function open(...entries: readonly (readonly [number, number])[]): Promise<RawPeer> {
  const peer = await RawPeer.open(proxy.port, ...entries);
  peers.push(peer);
  return peer;
}

async function expectServed(): Promise<void> {
  const peer = await RawPeer.open(proxy.port);
  peer.sendHead(1, requestFields('GET', '/'));
  expect((await peer.whole(1)).status).toBe(200);
  peer.destroy();
}

const megabyte = 1_048_576;
/** Of what a flood may leave behind: the heap grows by some in any case. */
const memoryBoundBytes = 48 * megabyte;

interface Cost {
  readonly peer: RawPeer;
  readonly memoryBytes: number;
  /** CPU time of the proxy for that of this process, in multiples. */
  readonly cpuRatio: number;
}

/** Floods a connection on which `begin` was sent; the client reads only when told to. */
async function costOf(filler: Buffer, totalBytes: number, begin: Buffer, reads = true): Promise<Cost> {
  const peer = await open();
  const memoryBefore = proxy.peakRssBytes;
  const cpuBefore = proxy.cpuMs;
  const ownBefore = process.cpuUsage();
  peer.sendRaw(begin);
  if (!reads) peer.socket.pause();
  const text = filler.toString('latin1');
  await flood(peer.socket, { filler: text, totalBytes, isOver: () => peer.isOver || peer.errorCode !== undefined });
  peer.socket.resume();
  const { user, system } = process.cpuUsage(ownBefore);
  const cpuRatio = (proxy.cpuMs - cpuBefore) / ((user + system) / 1_000);
  return { peer, memoryBytes: proxy.peakRssBytes - memoryBefore, cpuRatio };
}

function goawayCodes(peer: RawPeer): number[] {
  return peer.frames.filter(({ type }) => type === FrameType.goaway).map(codeOf);
}

const held = post(1, '/held');
const none = Buffer.alloc(0);
const bad = block(requestFields('GET', '/bad'));

describe('R5: a hundred megabytes of', () => {
  it.each<[what: string, filler: Buffer, begin: Buffer]>([
    ['PING', ping(), none],
    ['acknowledgements of PING', ping('12345678', Flag.ack), none],
    ['empty SETTINGS', settings(), none],
    [
      'SETTINGS that change windows',
      settings([Setting.initialWindowSize, 1], [Setting.initialWindowSize, 65_535]),
      held,
    ],
    ['PRIORITY', priority(3, 0), none],
    ['WINDOW_UPDATE of a stream', windowUpdate(1, 1), held],
    ['WINDOW_UPDATE of the connection', windowUpdate(0, 1), none],
    ['empty DATA', data(1), held],
    [
      'DATA that is all padding',
      frame(FrameType.data, { streamId: 1, flags: Flag.padded, payload: Buffer.from([0]) }),
      held,
    ],
    ['DATA on a stream that was reset', data(1, 'x'), concat(held, rstStream(1, Code.cancel))],
    ['RST_STREAM of one stream', rstStream(1, Code.cancel), concat(held, rstStream(1, Code.cancel))],
    ['empty frames of an unknown type', frame(0x42), none],
    ['large frames of an unknown type', frame(0x42, { payload: Buffer.alloc(16_384) }), none],
    ['empty CONTINUATION', continuation(1, none, 0), headers(1, bad, 0)],
    ['CONTINUATION with fields', continuation(1, block([['x', 'y'.repeat(1_000)]]), 0), headers(1, bad, 0)],
    [
      'CONTINUATION within one field',
      continuation(1, Buffer.alloc(16_384, 'x'), 0),
      headers(1, concat(bad, Buffer.from([0, 1, 0x78, 0x7f, 0xff, 0xff, 0xff, 0x7f])), 0),
    ],
    [
      'CONTINUATION with empty fields',
      continuation(1, Buffer.alloc(16_383, Buffer.from([0, 0, 0])), 0),
      headers(1, bad, 0),
    ],
    ['CONTINUATION with changes of the table', continuation(1, Buffer.alloc(16_384, 0x20), 0), headers(1, none, 0)],
    [
      'trailers that go on',
      continuation(1, block([['x', 'y'.repeat(1_000)]]), 0),
      concat(held, headers(1, none, Flag.endStream)),
    ],
    ['GOAWAY', frame(FrameType.goaway, { payload: Buffer.alloc(8) }), held],
    ['GOAWAY with much to say', frame(FrameType.goaway, { payload: Buffer.alloc(16_000) }), held],
  ])('%s costs little, whether what comes back is read or not', async (_, filler, begin) => {
    for (const reads of [true, false]) {
      const { memoryBytes, cpuRatio } = await costOf(filler, 100 * megabyte, begin, reads);
      expect(memoryBytes, 'bytes of memory').toBeLessThan(memoryBoundBytes);
      expect(cpuRatio, 'CPU time').toBeLessThan(100);
    }
    expect(backend.requests.filter(({ startLine }) => startLine.includes('/bad'))).toEqual([]);
  });
});

/** Requests one behind the other on streams of their own, in one piece. */
function requests(count: number, build: (streamId: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => build(1 + 2 * i)));
}

describe('R5: ten thousand requests that their client', () => {
  it.each<[what: string, build: (streamId: number) => Buffer]>([
    ['resets at once (CVE-2023-44487)', (id) => concat(get(id, '/held'), rstStream(id, Code.cancel))],
    ['resets while they are sent', (id) => concat(post(id, '/held'), data(id, 'x'), rstStream(id, Code.cancel))],
    ['makes the server reset, by WINDOW_UPDATE (CVE-2025-8671)', (id) => concat(get(id, '/held'), windowUpdate(id, 0))],
    ['makes the server reset, by DATA behind the end', (id) => concat(get(id, '/held'), data(id, 'x'))],
    [
      'makes the server reset, by a wrong PRIORITY',
      (id) => concat(get(id, '/held'), frame(FrameType.priority, { streamId: id, payload: Buffer.alloc(4) })),
    ],
  ])('%s end its connection long before the last', async (_, build) => {
    const memoryBefore = proxy.peakRssBytes;
    const peer = await open();
    peer.sendRaw(requests(10_000, build));
    await peer.untilOver(20_000);
    expect(goawayCodes(peer).every((code) => code !== Code.noError)).toBe(true);
    const begun = backend.requests.length + backend.connections.filter(({ partial }) => partial !== '').length;
    expect(begun, 'requests at the upstream').toBeLessThan(2_000);
    expect(proxy.peakRssBytes - memoryBefore).toBeLessThan(memoryBoundBytes);
  });

  it('makes malformed are refused, go nowhere, and cost little', async () => {
    const memoryBefore = proxy.peakRssBytes;
    const cpuBefore = proxy.cpuMs;
    const peer = await open();
    peer.sendRaw(requests(10_000, (id) => headers(id, concat(bad, literal(['X', '1'])), 5)));
    await peer.until(() => peer.isOver || peer.messages.size === 10_000, 'refusals', 20_000);
    expect([...peer.messages.values()].every(({ resetCode }) => resetCode === Code.protocolError)).toBe(true);
    expect(backend.requests.filter(({ startLine }) => startLine.includes('/bad'))).toEqual([]);
    expect(proxy.peakRssBytes - memoryBefore).toBeLessThan(memoryBoundBytes);
    expect(proxy.cpuMs - cpuBefore).toBeLessThan(5_000);
  });

  it('may have: they are more than may be open at once, and the others are refused', async () => {
    const peer = await open();
    peer.sendRaw(requests(3_000, (id) => get(id, '/held')));
    await peer.until(() => peer.isOver || peer.messages.size > 1_500, 'refusals', 20_000);
    const codes = new Set([...peer.messages.values()].map(({ resetCode }) => resetCode));
    expect([...codes].every((code) => code === undefined || code === Code.refusedStream)).toBe(true);
    expect(backend.requests.length).toBeLessThanOrEqual(1_024);
  });
});

describe('R5: header lists', () => {
  it('of ten thousand fields are answered with 431, and the connection goes on', async () => {
    const peer = await open();
    const names = ['__proto__', 'constructor', 'x', 'y'];
    const many = Array.from({ length: 10_000 }, (_, i) => [names[i % 4] ?? '', '1'] as const);
    const bytes = block([...requestFields('GET', '/bad'), ...many]);
    peer.send(headers(1, bytes.subarray(0, 16_000), Flag.endStream));
    for (let at = 16_000; at < bytes.length; at += 16_000) {
      const isLast = at + 16_000 >= bytes.length;
      peer.send(continuation(1, bytes.subarray(at, at + 16_000), isLast ? Flag.endHeaders : 0));
    }
    const message = await peer.whole(1);
    expect(message.status).toBe(431);
    expect(backend.requests.filter(({ startLine }) => startLine.includes('/bad'))).toEqual([]);
  });

  it('that a few bytes make large again and again (HPACK bombs) are refused, and cost little', async () => {
    const memoryBefore = proxy.peakRssBytes;
    const cpuBefore = proxy.cpuMs;
    const peer = await open();
    const large = indexedLiteral(['x', 'y'.repeat(3_900)]);
    peer.send(headers(1, concat(block(requestFields('GET', '/')), large), 5));
    expect((await peer.whole(1)).status).toBe(200);
    for (let i = 0; i < 50 && !peer.isOver; i++) {
      const id = 3 + 2 * i;
      peer.send(headers(id, concat(bad, Buffer.alloc(16_000, indexed(62))), 5));
      const { status, resetCode } = await peer.whole(id);
      if (!peer.isOver) expect(status === 431 || resetCode !== undefined).toBe(true);
    }
    expect(proxy.peakRssBytes - memoryBefore).toBeLessThan(memoryBoundBytes);
    expect(proxy.cpuMs - cpuBefore).toBeLessThan(5_000);
    expect(backend.requests.filter(({ startLine }) => startLine.includes('/bad'))).toEqual([]);
  });
});
