/** How connections of clients end: when they are idle, when they stall, when the proxy leaves, when their clients have enough. */
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import {
  Code,
  Flag,
  FrameType,
  codeOf,
  data,
  goaway,
  headers,
  lastStreamIdOf,
  ping,
  preface,
  rstStream,
  settings,
} from '../../support/http2/frames.ts';
import { block } from '../../support/http2/hpack-writer.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { type BackendConnection, RawBackend, okResponse } from '../../support/raw-backend.ts';
import { turns, until } from '../../support/turns.ts';
import { concat, get, requestFields } from './server-case.ts';

const backend = new RawBackend();
const held: BackendConnection[] = [];
const peers: RawPeer[] = [];
let proxy: CodecProxy;

beforeAll(() => backend.start());
afterEach(async () => {
  for (const peer of peers.splice(0)) {
    expect(peer.breaches).toEqual([]);
    peer.destroy();
  }
  held.length = 0;
  backend.clear();
  await proxy.close();
});
afterAll(() => backend.close());

async function start(manager: Record<string, unknown>, action: Record<string, unknown> = {}): Promise<void> {
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port], manager, action });
  backend.onRequest = (connection, { startLine }) => {
    if (startLine.includes('/held')) held.push(connection);
    else connection.send(okResponse);
  };
}

async function open(): Promise<RawPeer> {
  const peer = await RawPeer.open(proxy.port);
  peers.push(peer);
  return peer;
}

/** In steps between which everybody has time to answer. */
async function letPass(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    proxy.clock.advance(1_000);
    await turns(4);
  }
}

function goaways(peer: RawPeer): number[] {
  return peer.frames.filter(({ type }) => type === FrameType.goaway).map(codeOf);
}

describe('an idle connection', () => {
  it('is closed with a goodbye when it was idle for too long, and not while it is used', async () => {
    await start({ common_http_protocol_options: { idle_timeout: '10s' } });
    const peer = await open();
    for (let i = 0; i < 5; i++) {
      peer.sendHead(1 + 2 * i, requestFields('GET', '/'));
      expect((await peer.whole(1 + 2 * i)).status).toBe(200);
      await letPass(7);
      expect(peer.isOver).toBe(false);
    }
    await letPass(14);
    await peer.untilOver();
    expect(goaways(peer).at(-1)).toBe(Code.noError);
  });

  it('with a request on it is not idle', async () => {
    await start({ common_http_protocol_options: { idle_timeout: '10s' } });
    const peer = await open();
    peer.sendHead(1, requestFields('GET', '/held'));
    await until(() => held.length === 1);
    await letPass(60);
    expect(peer.isOver).toBe(false);
    held[0]?.send(okResponse);
    expect((await peer.whole(1)).status).toBe(200);
  });

  it('that answers no keepalive PING is closed, one that does is not', async () => {
    await start({ http2_protocol_options: { connection_keepalive: { interval: '10s', timeout: '5s' } } });
    const polite = await open();
    const silent = await open();
    silent.isPolite = false;
    await letPass(60);
    expect(polite.isOver, polite.describe()).toBe(false);
    expect(polite.frames.some(({ type, flags }) => type === FrameType.ping && flags === 0)).toBe(true);
    expect(silent.isOver, silent.describe()).toBe(true);
  });
});

describe('a client that stalls', () => {
  const request = concat(preface, settings(), headers(1, block(requestFields('GET', '/stalled')), 1));

  it('anywhere before its request is whole is given up, and nothing of it goes on', async () => {
    await start({ request_headers_timeout: '5s', common_http_protocol_options: { idle_timeout: '60s' } });
    const stalled: RawPeer[] = [];
    for (let at = 4; at <= request.length; at += 7) {
      const peer = await RawPeer.connect(proxy.port);
      stalled.push(peer);
      peer.isPolite = false;
      peer.sendRaw(request.subarray(0, at));
    }
    await turns(20);
    await letPass(130);
    for (const peer of stalled) {
      expect(peer.isOver, peer.describe()).toBe(true);
      peer.destroy();
    }
    expect(backend.requests).toEqual([]);
  });

  it('in its body is answered with 408, and the connection goes on', async () => {
    await start({ stream_idle_timeout: '5s' });
    const peer = await open();
    peer.sendHead(1, requestFields('POST', '/'), false);
    peer.send(data(1, 'half'));
    await turns(20);
    await letPass(15);
    expect((await peer.whole(1)).status).toBe(408);
    peer.sendHead(3, requestFields('GET', '/'));
    expect((await peer.whole(3)).status).toBe(200);
    expect(backend.requests.map(({ startLine }) => startLine)).toEqual(['GET / HTTP/1.1']);
  });

  it('is not saved by bytes that lead nowhere', async () => {
    await start({ request_headers_timeout: '5s', common_http_protocol_options: { idle_timeout: '60s' } });
    const peer = await open();
    peer.sendRaw(headers(1, Buffer.alloc(100), 1).subarray(0, 20));
    for (let i = 0; i < 40 && !peer.isOver; i++) {
      peer.sendRaw(Buffer.alloc(1));
      await letPass(1);
    }
    expect(peer.isOver).toBe(true);
  });
});

describe('a server that does not answer', () => {
  it('is given up for its request alone', async () => {
    await start({}, { timeout: '5s' });
    const peer = await open();
    peer.sendHead(1, requestFields('GET', '/held'));
    await until(() => held.length === 1);
    await letPass(8);
    expect((await peer.whole(1)).status).toBe(504);
    peer.sendHead(3, requestFields('GET', '/'));
    expect((await peer.whole(3)).status).toBe(200);
  });
});

describe('a proxy that leaves', () => {
  it('says so, serves what is under way, and what was sent before it was heard', async () => {
    await start({});
    const peer = await open();
    peer.isPolite = false;
    peer.sendHead(1, requestFields('GET', '/held'));
    await until(() => held.length === 1);
    const drained = proxy.server.drain(60_000);
    const first = await peer.next(({ type }) => type === FrameType.goaway, 'GOAWAY');
    expect(codeOf(first)).toBe(Code.noError);
    // Sent before the client has read it.
    if (lastStreamIdOf(first) > 3) {
      peer.sendHead(3, requestFields('GET', '/late'));
      expect((await peer.whole(3)).status).toBe(200);
    }
    held[0]?.send(okResponse);
    expect((await peer.whole(1)).status).toBe(200);
    peer.isPolite = true;
    for (const { type, flags, payload } of peer.frames) {
      if (type === FrameType.ping && flags === 0) peer.send(ping(payload, Flag.ack));
    }
    await letPass(61);
    await peer.untilOver();
    await drained;
    const last = peer.frames.filter(({ type }) => type === FrameType.goaway).map(lastStreamIdOf);
    expect(
      last.every((id, i) => id <= (last[i - 1] ?? Infinity)),
      'no stream is taken back that was not refused',
    ).toBe(true);
  });
});

describe('a client that says goodbye', () => {
  it('gets what it has asked for, and then the end', async () => {
    await start({});
    const peer = await open();
    peer.sendHead(1, requestFields('GET', '/held'));
    await until(() => held.length === 1);
    peer.send(goaway(0, Code.noError));
    await peer.roundTrip();
    held[0]?.send(okResponse);
    expect((await peer.whole(1)).status).toBe(200);
    await peer.untilOver();
    expect(peer.wasReset).toBe(false);
  });

  it('and goes away at once does not leave its requests behind', async () => {
    await start({});
    const peer = await open();
    peer.send(get(1, '/held'), get(3, '/held'));
    await until(() => held.length === 2);
    peer.end();
    await until(() => held.every(({ isClosed }) => isClosed));
    expect(proxy.stat('http.codec.downstream_rq_active')).toBe(0);
  });
});

describe('streams', () => {
  it('beyond the announced number are refused, and asked for again are served', async () => {
    await start({ http2_protocol_options: { max_concurrent_streams: 2 } });
    const peer = await open();
    expect(peer.settings.get(3)).toBe(2);
    for (const streamId of [1, 3, 5, 7]) peer.sendHead(streamId, requestFields('GET', '/held'));
    expect((await peer.whole(5)).resetCode).toBe(Code.refusedStream);
    expect((await peer.whole(7)).resetCode).toBe(Code.refusedStream);
    await until(() => held.length === 2);
    for (const connection of held) connection.send(okResponse);
    for (const streamId of [1, 3]) expect((await peer.whole(streamId)).status).toBe(200);
    peer.sendHead(9, requestFields('GET', '/'));
    expect((await peer.whole(9)).status).toBe(200);
  });

  it('do not wait for each other', async () => {
    await start({});
    const peer = await open();
    peer.sendHead(1, requestFields('GET', '/held'));
    for (let i = 1; i < 50; i++) {
      peer.sendHead(1 + 2 * i, requestFields('GET', `/${i}`));
      expect((await peer.whole(1 + 2 * i)).status).toBe(200);
    }
    expect(peer.message(1).isOver).toBe(false);
    held[0]?.send(okResponse);
    expect((await peer.whole(1)).status).toBe(200);
  });

  it('that ordinary clients cancel now and then are not held against them', async () => {
    await start({});
    const peer = await open();
    for (let i = 0; i < 600; i++) {
      const streamId = 1 + 2 * i;
      const isCancelled = i % 3 === 0;
      peer.sendHead(streamId, requestFields('GET', isCancelled ? '/held' : '/'));
      if (!isCancelled) expect((await peer.whole(streamId)).status, `request ${i}`).toBe(200);
      else {
        await until(() => held.length > 0);
        held.length = 0;
        peer.send(rstStream(streamId, Code.cancel));
      }
    }
    expect(peer.isOver).toBe(false);
  });
});

describe('a client that gives requests up', () => {
  it('may do so with all of them when it has waited for a while: their servers may hang', async () => {
    await start({ stream_idle_timeout: '0s' });
    const peer = await open();
    const ids = (batch: number): number[] => Array.from({ length: 100 }, (_, i) => 1 + 2 * (100 * batch + i));
    for (let batch = 0; batch < 8; batch++) {
      for (const id of ids(batch)) peer.sendHead(id, requestFields('GET', '/held'));
      await until(() => held.length === 100);
      await letPass(3);
      for (const id of ids(batch)) peer.send(rstStream(id, Code.cancel));
      await until(() => proxy.stat('http.codec.downstream_rq_active') === 0);
      held.length = 0;
    }
    peer.sendHead(2_001, requestFields('GET', '/'));
    expect((await peer.whole(2_001)).status).toBe(200);
  });

  it('may not with hundreds that it has just asked for', async () => {
    await start({ stream_idle_timeout: '0s' });
    const peer = await open();
    for (let id = 1; id < 601; id += 2) {
      peer.sendHead(id, requestFields('GET', '/held'));
      peer.send(rstStream(id, Code.cancel));
    }
    await peer.untilOver();
    expect(goaways(peer).at(-1)).toBe(Code.enhanceYourCalm);
  });
});
