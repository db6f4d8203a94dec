import { expect, it } from 'vitest';
import { HeadBuffer } from '../../../proxy/http1/head-buffer.ts';

function append(buffer: HeadBuffer, text: string): void {
  const bytes = Buffer.from(`..${text}..`, 'latin1');
  buffer.append(bytes, 2, bytes.length - 2);
}

it('keeps copies: the bytes it was given may be overwritten', () => {
  const buffer = new HeadBuffer();
  const bytes = Buffer.from('abc');
  buffer.append(bytes, 0, 3);
  bytes.fill('x');
  expect(buffer.bytes.toString()).toBe('abc');
});

it('grows with what is appended', () => {
  const buffer = new HeadBuffer();
  let text = '';
  for (let i = 0; i < 300; i++) {
    append(buffer, `piece ${i}, `);
    text += `piece ${i}, `;
  }
  expect(buffer.bytes.toString()).toBe(text);
});

it('is worth parsing when the end of a head has come, however it is split', () => {
  const text = `${'x'.repeat(100)}\r\n\r\n`;
  for (let at = 97; at < text.length; at++) {
    const buffer = new HeadBuffer();
    append(buffer, text.slice(0, at));
    buffer.isWorthParsing();
    append(buffer, text.slice(at));
    expect(buffer.isWorthParsing(), `split at ${at}`).toBe(true);
  }
});

it('is worth parsing seldom while the end has not come: each time it doubled', () => {
  const buffer = new HeadBuffer();
  let parses = 0;
  for (let i = 0; i < 60_000; i++) {
    append(buffer, 'x');
    if (buffer.isWorthParsing()) parses++;
  }
  expect(parses).toBeLessThan(20);
  expect(parses).toBeGreaterThan(10);
});

it('begins again after clear, and whoever holds the bytes keeps them', () => {
  const buffer = new HeadBuffer();
  append(buffer, 'first');
  const { bytes } = buffer;
  buffer.clear();
  expect(buffer.isEmpty).toBe(true);
  append(buffer, 'second');
  expect(bytes.toString()).toBe('first');
  expect(buffer.bytes.toString()).toBe('second');
  expect(buffer.isWorthParsing()).toBe(true);
});
