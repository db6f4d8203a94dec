import { describe, expect, it } from 'vitest';
import { ByteBuffer } from '../../../proxy/common/byte-buffer.ts';

describe('kept bytes', () => {
  it('are copies, in the order in which they came', () => {
    const buffer = new ByteBuffer();
    const bytes = Buffer.from('..abc..');
    buffer.append(bytes, 2, 5);
    bytes.fill('x');
    buffer.append(bytes, 0, 1);
    expect(buffer.bytes.toString()).toBe('abcx');
    expect(buffer.length).toBe(4);
  });

  it('stay with whoever took them, whatever is appended or cleared afterwards', () => {
    const buffer = new ByteBuffer();
    buffer.append(Buffer.from('first'), 0, 5);
    const taken = buffer.bytes;
    for (let i = 0; i < 2_000; i++) buffer.append(Buffer.from('y'), 0, 1);
    buffer.clear();
    buffer.append(Buffer.from('second'), 0, 6);
    expect(taken.toString()).toBe('first');
    expect(buffer.bytes.toString()).toBe('second');
  });

  it('take at most twice their length, when they come one by one', () => {
    const buffer = new ByteBuffer();
    const one = Buffer.from('z');
    for (let i = 0; i < 100_000; i++) buffer.append(one, 0, 1);
    expect(buffer.length).toBe(100_000);
    expect(buffer.bytes.buffer.byteLength).toBeLessThanOrEqual(200_000);
    expect(buffer.bytes.equals(Buffer.alloc(100_000, 'z'))).toBe(true);
  });

  it('are none after they were cleared', () => {
    const buffer = new ByteBuffer();
    buffer.append(Buffer.from('abc'), 0, 3);
    buffer.clear();
    expect(buffer.length).toBe(0);
    expect(buffer.bytes.length).toBe(0);
  });
});
