import { describe, expect, it } from 'vitest';
import { ResponseReader } from '../../../bench/open-loop/response-reader.ts';

const response = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';

function read(reader: ResponseReader, text: string): boolean {
  // As on a socket: the bytes stand at the start of a larger buffer with old content behind them.
  const buffer = Buffer.from(`${text}${response}`);
  return reader.read(buffer, text.length);
}

describe('the reader of responses', () => {
  it('finds the end of a response however it is cut in two, and then of the next', () => {
    for (let at = 1; at < response.length; at++) {
      const reader = new ResponseReader(5);
      expect(read(reader, response.slice(0, at)), `cut at ${at}`).toBe(false);
      expect(read(reader, response.slice(at)), `cut at ${at}`).toBe(true);
      expect(read(reader, response), `behind one cut at ${at}`).toBe(true);
    }
  });

  it('finds it byte by byte too', () => {
    const reader = new ResponseReader(5);
    const ends = response.split('').map((char) => read(reader, char));
    expect(ends.indexOf(true)).toBe(response.length - 1);
  });

  it.each([
    ['another status', 'HTTP/1.1 503 Service Unavailable\r\n\r\nhello', 'begins with "HTTP/1.1 503"'],
    ['more bytes than there should be', `${response}!`, 'longer than it should be'],
  ])('refuses %s', (_, text, message) => {
    expect(() => read(new ResponseReader(5), text)).toThrow(message);
  });
});
