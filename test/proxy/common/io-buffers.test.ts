import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  freeSlab,
  holdSlab,
  placeInSlab,
  sharedReadBuffer,
  slabBytes,
  slabCount,
} from '../../../proxy/common/io-buffers.ts';

interface StubSocket {
  destroyed: boolean;
  writableLength: number;
}

const all: StubSocket[] = [];

/** With a write that was not taken whole. */
function slowSocket(): StubSocket {
  const socket = { destroyed: false, writableLength: 1 };
  all.push(socket);
  return socket;
}

function hold(socket: StubSocket): Buffer | undefined {
  const slab = freeSlab();
  holdSlab(socket as unknown as Socket);
  return slab;
}

afterEach(() => {
  for (const socket of all) socket.writableLength = 0;
});

describe('a slab for what is written', () => {
  it('is the same one as long as no write waits', () => {
    expect(freeSlab()).toBe(freeSlab());
  });

  it('is another one while a write waits in it, and free again when nothing waits any more', () => {
    const slow = slowSocket();
    const held = hold(slow);
    const others = Array.from({ length: slabCount - 1 }, () => hold(slowSocket()));
    expect(new Set([held, ...others]).size).toBe(slabCount);
    expect(freeSlab()).toBeUndefined();
    slow.writableLength = 0;
    expect(freeSlab()).toBe(held);
  });

  it('is free again when the socket is closed that held it', () => {
    const sockets = Array.from({ length: slabCount }, slowSocket);
    const slabs = sockets.map(hold);
    const [, , third] = sockets;
    if (third !== undefined) third.destroyed = true;
    expect(freeSlab()).toBe(slabs[2]);
  });

  it('lies in the memory that is read into, apart from all others', () => {
    const slabs = Array.from({ length: slabCount }, () => hold(slowSocket())).filter((slab) => slab !== undefined);
    const ranges = [sharedReadBuffer, ...slabs].map(({ byteOffset, length }) => [byteOffset, byteOffset + length]);
    ranges.sort(([a = 0], [b = 0]) => a - b);
    for (const [i, [start = 0]] of ranges.entries())
      if (i > 0) expect(start).toBeGreaterThanOrEqual(ranges[i - 1]?.[1] ?? 0);
    expect(new Set(slabs.map(({ buffer }) => buffer))).toEqual(new Set([sharedReadBuffer.buffer]));
  });
});

it('bytes that are copied to a slab keep their place of a page, and fit in', () => {
  const slabs = Array.from({ length: slabCount }, () => hold(slowSocket())).filter((slab) => slab !== undefined);
  for (const slab of slabs) {
    for (const [prefixBytes, start] of [
      [0, 0],
      [150, 212],
      [4_096, 1],
      [9_000, 4_095],
    ] as const) {
      const at = placeInSlab(slab, prefixBytes, sharedReadBuffer, start);
      const source = sharedReadBuffer.byteOffset + start;
      expect((slab.byteOffset + at + prefixBytes - source) % 4_096).toBe(0);
      expect(at + slabBytes).toBeLessThanOrEqual(slab.length);
    }
  }
});
