/** Windows (RFC 9113 §5.2, §6.9): neither side is sent more than it has asked for, and nobody waits for what was asked for. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { digestOf, randomBytes } from '../../support/http2/bodies.ts';
import { Code, Flag, FrameType, Setting, data, padded, settings, windowUpdate } from '../../support/http2/frames.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawBackend, okResponse } from '../../support/raw-backend.ts';
import { until } from '../../support/turns.ts';
import { head } from '../http1/request-case.ts';
import { requestFields } from './server-case.ts';

const streamWindow = 100_000;
const connectionWindow = 200_000;
const backend = new RawBackend();
let proxy: CodecProxy;
let peer: RawPeer;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({
    upstreamPorts: [backend.port],
    manager: {
      http2_protocol_options: {
        initial_stream_window_size: streamWindow,
        initial_connection_window_size: connectionWindow,
      },
    },
  });
});
beforeEach(() => {
  backend.clear();
  // `/7` is answered with seven bytes.
  backend.onRequest = (connection, { startLine }) => {
    const bytes = Number(/^[A-Z]+ \/(\d*)/.exec(startLine)?.[1] ?? 0);
    connection.socket.write(head('HTTP/1.1 200 OK', `Content-Length: ${bytes}`));
    connection.socket.write(randomBytes(bytes));
  };
});
afterEach(async () => {
  expect(peer.breaches).toEqual([]);
  peer.destroy();
  await proxy.untilQuiet();
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

function bytesOf(streamId: number): number {
  return peer.message(streamId).bodyBytes;
}

async function expectBytes(streamId: number, bytes: number): Promise<void> {
  await peer.until(() => bytesOf(streamId) >= bytes, `${bytes} bytes on stream ${streamId}`);
  // Whatever the proxy had to send, it has sent before it answers.
  await peer.roundTrip();
  expect(bytesOf(streamId), `bytes on stream ${streamId}`).toBe(bytes);
}

describe('what the proxy sends', () => {
  it('ends at the window of the stream, and goes on byte by byte as that is opened', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 1_000]);
    peer.sendHead(1, requestFields('GET', '/2000'));
    await expectBytes(1, 1_000);
    peer.send(windowUpdate(1, 1));
    await expectBytes(1, 1_001);
    peer.send(windowUpdate(1, 1), windowUpdate(1, 2));
    await expectBytes(1, 1_004);
    peer.send(windowUpdate(1, 10_000));
    expect((await peer.whole(1)).bytes.equals(randomBytes(2_000))).toBe(true);
  });

  it('takes turns where streams share what is left of the window of the connection', async () => {
    const first = 65_535;
    const frame = 16_384;
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 10 * first]);
    for (const id of [1, 3, 5]) peer.sendHead(id, requestFields('GET', `/${2 * first}`));
    await peer.until(() => bytesOf(1) + bytesOf(3) + bytesOf(5) === first, 'the window of the connection');
    for (const id of [1, 3, 5]) await peer.until(() => peer.message(id).status === 200, 'the heads');
    await peer.roundTrip();
    const before = [1, 3, 5].map(bytesOf);
    peer.send(windowUpdate(0, 6 * frame));
    await peer.until(() => bytesOf(1) + bytesOf(3) + bytesOf(5) === first + 6 * frame, 'six frames more');
    expect([1, 3, 5].map((id, i) => bytesOf(id) - (before[i] ?? 0))).toEqual([2 * frame, 2 * frame, 2 * frame]);
    peer.send(windowUpdate(0, 10 * first));
    for (const id of [1, 3, 5]) expect((await peer.whole(id)).bodyBytes).toBe(2 * first);
  });

  it('is nothing but the head where the window is closed', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 0]);
    peer.sendHead(1, requestFields('GET', '/5'));
    await peer.until(() => peer.message(1).status === 200, 'the head');
    await expectBytes(1, 0);
    peer.send(windowUpdate(1, 5));
    expect((await peer.whole(1)).bodyBytes).toBe(5);
  });

  it('is a whole response where that has no body, windows or none', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 0]);
    peer.sendHead(1, requestFields('GET', '/0'));
    expect((await peer.whole(1)).isEnded).toBe(true);
  });

  it('ends with the body where that fills the window to its last byte', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 500]);
    peer.sendHead(1, requestFields('GET', '/500'));
    expect((await peer.whole(1)).bodyBytes).toBe(500);
  });

  it('heeds a window that becomes negative, and goes on only when that is positive again (§6.9.2)', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 1_000]);
    peer.sendHead(1, requestFields('GET', '/5000'));
    await expectBytes(1, 1_000);
    peer.send(settings([Setting.initialWindowSize, 100]));
    await peer.roundTrip();
    peer.send(windowUpdate(1, 900));
    await expectBytes(1, 1_000);
    peer.send(windowUpdate(1, 1));
    await expectBytes(1, 1_001);
    peer.send(settings([Setting.initialWindowSize, 0]));
    await peer.roundTrip();
    peer.send(windowUpdate(1, 101));
    await expectBytes(1, 1_002);
    peer.send(settings([Setting.initialWindowSize, 10]));
    await expectBytes(1, 1_012);
    peer.send(windowUpdate(1, 10_000));
    expect((await peer.whole(1)).bodyBytes).toBe(5_000);
  });

  it('goes on on all streams when the initial window grows', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 10]);
    for (const streamId of [1, 3, 5]) peer.sendHead(streamId, requestFields('GET', '/1000'));
    for (const streamId of [1, 3, 5]) await expectBytes(streamId, 10);
    peer.send(settings([Setting.initialWindowSize, 20]));
    for (const streamId of [1, 3, 5]) await expectBytes(streamId, 20);
    peer.send(settings([Setting.initialWindowSize, 100_000]));
    for (const streamId of [1, 3, 5]) expect((await peer.whole(streamId)).bodyBytes).toBe(1_000);
  });

  it('keeps to the window of the connection, whatever those of the streams are', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 1_000_000]);
    const ids = [1, 3, 5, 7];
    for (const streamId of ids) peer.sendHead(streamId, requestFields('GET', '/50000'));
    const total = (): number => ids.reduce((sum, streamId) => sum + bytesOf(streamId), 0);
    await peer.until(() => total() >= 65_535, `65535 bytes, got ${total()}`);
    await peer.roundTrip();
    expect(total()).toBe(65_535);
    // What needs no window is not held up.
    peer.sendHead(9, requestFields('GET', '/0'));
    expect((await peer.whole(9)).isEnded).toBe(true);
    peer.send(windowUpdate(0, 1_000_000));
    for (const streamId of ids) expect((await peer.whole(streamId)).bytes.equals(randomBytes(50_000))).toBe(true);
  });

  it('on one stream does not wait for the window of another', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 0]);
    peer.sendHead(1, requestFields('GET', '/1000'));
    peer.sendHead(3, requestFields('GET', '/1000'));
    peer.send(windowUpdate(3, 1_000));
    expect((await peer.whole(3)).bodyBytes).toBe(1_000);
    expect(bytesOf(1)).toBe(0);
    peer.send(windowUpdate(1, 1_000));
    expect((await peer.whole(1)).bodyBytes).toBe(1_000);
  });

  it('shares the window of the connection between streams that have much to say', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 1_000_000]);
    const ids = [1, 3, 5, 7];
    for (const streamId of ids) peer.sendHead(streamId, requestFields('GET', '/500000'));
    await peer.until(() => ids.every((streamId) => peer.message(streamId).status === 200), 'the heads');
    for (let i = 0; i < 20; i++) {
      peer.send(windowUpdate(0, 40_000));
      await peer.roundTrip();
    }
    for (const streamId of ids) expect(bytesOf(streamId), `stream ${streamId}`).toBeGreaterThan(0);
  });

  it('keeps to frames of the announced size, and may use larger ones where that is allowed', async () => {
    peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 1_000_000], [Setting.maxFrameSize, 100_000]);
    peer.send(windowUpdate(0, 1_000_000));
    peer.sendHead(1, requestFields('GET', '/300000'));
    expect((await peer.whole(1)).bytes.equals(randomBytes(300_000))).toBe(true);
  });
});

describe('what the proxy takes', () => {
  it('is announced as it is configured', async () => {
    peer = await RawPeer.open(proxy.port);
    expect(peer.settings.get(Setting.initialWindowSize)).toBe(streamWindow);
    await peer.roundTrip();
    expect(peer.windows.of(0)).toBe(connectionWindow);
  });

  it.each([1, 100, 16_384])(
    'is a body of any length in frames of %i bytes, as its windows are opened again',
    async (frameBytes) => {
      peer = await RawPeer.open(proxy.port);
      const body = randomBytes(Math.min(1_000_000, frameBytes * 20_000));
      peer.sendHead(1, requestFields('POST', '/0'), false);
      await peer.sendBody(1, body, frameBytes);
      expect((await peer.whole(1)).status).toBe(200);
      expect(digestOf(Buffer.from(backend.requests[0]?.body ?? '', 'latin1'))).toBe(digestOf(body));
      await peer.roundTrip();
      expect(peer.windows.of(0), 'of the connection').toBeLessThanOrEqual(connectionWindow);
      expect(peer.windows.of(0), 'of the connection').toBeGreaterThan(connectionWindow / 4);
    },
  );

  it('counts padding, and asks for as much again', async () => {
    peer = await RawPeer.open(proxy.port);
    peer.sendHead(1, requestFields('POST', '/0'), false);
    for (let i = 0; i < 4_000; i++) {
      await peer.until(() => peer.windows.available(1) >= 256, `a window for frame ${i}`);
      peer.send(data(1, padded('x', 250), Flag.padded));
    }
    peer.sendData(1, '');
    expect((await peer.whole(1)).status).toBe(200);
    expect(backend.requests[0]?.body).toBe('x'.repeat(4_000));
  });

  it('counts what comes for streams that are no more, and asks for as much again', async () => {
    peer = await RawPeer.open(proxy.port);
    for (let i = 0; i < 10; i++) {
      const streamId = 1 + 2 * i;
      // Malformed: the proxy resets it, while the body is on its way.
      peer.sendHead(streamId, requestFields('POST', '/0', ['X', '1']), false);
      for (let sent = 0; sent < 90_000 && peer.windows.available(0) > 10_000; sent += 10_000) {
        peer.sendData(streamId, 'x'.repeat(10_000), false);
      }
      expect((await peer.whole(streamId)).resetCode).toBe(Code.protocolError);
      await peer.roundTrip();
    }
    expect(peer.windows.of(0)).toBeGreaterThan(connectionWindow / 4);
    expect(backend.requests).toEqual([]);
  });

  it('waits in the client while the upstream does not read', async () => {
    backend.onBytes = ({ socket }) => void socket.pause();
    peer = await RawPeer.open(proxy.port);
    peer.sendHead(1, requestFields('POST', '/0'), false);
    const piece = Buffer.alloc(10_000, 'x');
    let idle = 0;
    while (idle < 50) {
      if (peer.windows.available(1) >= piece.length) {
        peer.sendData(1, piece, false);
        idle = 0;
      }
      idle += 1;
      await peer.roundTrip();
    }
    // What the kernel holds between the proxy and the upstream, and one window.
    expect(peer.windows.sent(1)).toBeLessThan(20_000_000);
    // Other streams have windows of their own; that of the connection is not used up by one.
    expect(peer.windows.of(0)).toBeGreaterThan(0);
    backend.onBytes = () => {};
    for (const { socket } of backend.connections) socket.resume();
    peer.sendData(1, '');
    expect((await peer.whole(1)).status).toBe(200);
  });

  it.each([
    ['of its stream', streamWindow],
    ['of the connection', connectionWindow],
  ])('is not more than the window %s', async (_, window) => {
    backend.onRequest = (connection) => connection.send(okResponse);
    backend.onBytes = ({ socket }) => void socket.pause();
    peer = await RawPeer.open(proxy.port);
    const streams = Math.ceil(window / streamWindow);
    for (let i = 0; i < streams; i++) peer.sendHead(1 + 2 * i, requestFields('POST', '/0'), false);
    // However far the proxy gets with what was sent first, it is far less than this.
    const total = 60_000_000;
    for (let sent = 0; sent < total && !peer.isOver && peer.message(1).resetCode === undefined; sent += 160_000) {
      for (let i = 0; i < 10; i++) peer.sendRaw(data(1 + 2 * (i % streams), Buffer.alloc(16_000)));
      await until(
        () => peer.socket.writableLength === 0 || peer.isOver || peer.message(1).resetCode !== undefined,
        () => peer.describe(),
      );
    }
    const codes = [
      peer.message(1).resetCode,
      peer.frames.some(({ type }) => type === FrameType.goaway) ? Code.flowControlError : undefined,
    ];
    expect(codes).toContain(Code.flowControlError);
    peer.destroy();
    for (const { socket } of backend.connections) socket.resume();
  });
});
