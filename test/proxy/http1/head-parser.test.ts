import { describe, expect, it } from 'vitest';
import {
  headIncomplete,
  headMalformed,
  headTooLarge,
  isTokenByte,
  parseRequestHead,
  parseResponseHead,
} from '../../../proxy/http1/head-parser.ts';
import { Known } from '../../../proxy/http/header-name.ts';
import { RequestHead, ResponseHead } from '../../../proxy/http/message-head.ts';
import { limits, requestHead, responseHead } from './parsing.ts';
import { head } from './request-case.ts';

/** The result of parsing `text` where it stands in a buffer between other bytes. */
function parse(text: string, maxima = limits): { result: number; head: RequestHead } {
  const bytes = Buffer.from(`\x01${text}\x01`, 'latin1');
  const parsed = new RequestHead();
  return { result: parseRequestHead(bytes, { start: 1, end: bytes.length - 1 }, maxima, parsed), head: parsed };
}

function parseResponse(text: string, maxima = limits): number {
  const bytes = Buffer.from(text, 'latin1');
  return parseResponseHead(bytes, { start: 0, end: bytes.length }, maxima, new ResponseHead());
}

function headersOf({ headers }: RequestHead | ResponseHead): [string, string][] {
  return Array.from({ length: headers.count }, (_, i) => [headers.nameAt(i), headers.valueAt(i)]);
}

describe('a request head', () => {
  const text = head('POST /a?b HTTP/1.1', 'Host: a', 'X-Y:\t z  z \t', 'Empty:', 'content-length: 5');

  it('is taken apart', () => {
    const { result, head } = parse(text);
    expect(result).toBe(text.length);
    expect(head).toMatchObject({ method: 'POST', path: '/a?b', minorVersion: 1, hasOriginalStartLine: true });
    expect(headersOf(head)).toEqual([
      ['Host', 'a'],
      ['X-Y', 'z  z'],
      ['Empty', ''],
      ['content-length', '5'],
    ]);
  });

  it('ends where it ends, whatever stands behind', () => {
    expect(parse(`${text}GET / HTTP/1.1\r\n\r\n`).result).toBe(text.length);
  });

  it('of which bytes are missing is incomplete, never malformed', () => {
    for (let length = 0; length < text.length; length++) {
      expect(parse(text.slice(0, length)).result, `${length} bytes`).toBe(headIncomplete);
    }
  });

  it('of HTTP/1.0 needs a new start line', () => {
    expect(parse(head('GET / HTTP/1.0')).head).toMatchObject({ minorVersion: 0, hasOriginalStartLine: false });
  });

  it('may have one empty line before it, which is not part of what is forwarded', () => {
    const { result, head } = parse(`\r\n${text}`);
    expect(result).toBe(text.length + 2);
    expect(head.headers.text).toBe(text);
  });

  it('with more headers than there is room for at first keeps all of them', () => {
    const lines = Array.from({ length: 90 }, (_, i) => `X-${i}: ${i}`);
    expect(headersOf(requestHead(head('GET / HTTP/1.1', ...lines)))).toHaveLength(90);
  });

  it('notes where the headers stand that the proxy acts on', () => {
    const { headers } = requestHead(head('GET / HTTP/1.1', 'A: 1', 'hOST: b', 'Connection: x', 'connection: y'));
    expect(headers.knownValue(Known.host)).toBe('b');
    expect(headers.knownValue(Known.connection)).toBe('y');
    expect(headers.knownValues(Known.connection)).toBe('x,y');
    expect(headers.hasKnown(Known.contentLength)).toBe(false);
    expect(headers.knownValue(Known.contentLength)).toBeUndefined();
  });

  it.each(['Host', 'Content-Length', 'Transfer-Encoding'])('with two %s headers is malformed', (name) => {
    expect(parse(head('GET / HTTP/1.1', `${name}: 1`, 'X: y', `${name.toLowerCase()}: 1`)).result).toBe(headMalformed);
  });

  it('takes in each place exactly the bytes that may stand there', () => {
    const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;
    for (let byte = 0; byte < 256; byte++) {
      const char = String.fromCharCode(byte);
      const name = parse(head('GET / HTTP/1.1', `a${char}b: 1`)).result > 0;
      expect(name, `byte ${byte} in a name`).toBe(token.test(char) || char === ':');
      expect(isTokenByte(byte)).toBe(token.test(char));
      const value = parse(head('GET / HTTP/1.1', `a: b${char}c`)).result > 0;
      expect(value, `byte ${byte} in a value`).toBe(byte === 9 || (byte >= 32 && byte !== 127));
      const target = parse(head(`GET /${char} HTTP/1.1`)).result > 0;
      expect(target, `byte ${byte} in the target`).toBe(byte > 32 && byte < 127 && char !== '#');
      const method = parse(head(`G${char}T / HTTP/1.1`)).result > 0;
      expect(method, `byte ${byte} in the method`).toBe(token.test(char));
    }
  });
});

describe('limits', () => {
  it('count the bytes of the whole head', () => {
    const text = head('GET / HTTP/1.1', 'Host: a');
    expect(parse(text, { maxBytes: text.length, maxHeaders: 9 }).result).toBe(text.length);
    expect(parse(text, { maxBytes: text.length - 1, maxHeaders: 9 }).result).toBe(headTooLarge);
  });

  it('hold before the head is complete, in whatever part it grows', () => {
    const maxima = { maxBytes: 50, maxHeaders: 9 };
    for (const begin of ['G', 'GET /', 'GET / HTTP/1.1\r\nX', 'GET / HTTP/1.1\r\nX: ']) {
      expect(parse(begin + 'x'.repeat(60), maxima).result, begin).toBe(headTooLarge);
    }
  });

  it('count headers', () => {
    const lines = ['a: 1', 'b: 2', 'c: 3'];
    expect(parse(head('GET / HTTP/1.1', ...lines), { maxBytes: 99, maxHeaders: 3 }).result).toBeGreaterThan(0);
    expect(parse(head('GET / HTTP/1.1', ...lines), { maxBytes: 99, maxHeaders: 2 }).result).toBe(headTooLarge);
  });
});

describe('a response head', () => {
  const text = head('HTTP/1.1 404 Not  f\xf6und ', 'Server: x', 'Content-Length: 0');

  it('is taken apart', () => {
    const parsed = responseHead(text);
    expect(parsed).toMatchObject({ status: 404, reason: 'Not  f\xf6und ', minorVersion: 1 });
    expect(headersOf(parsed)).toEqual([
      ['Server', 'x'],
      ['Content-Length', '0'],
    ]);
  });

  it('of which bytes are missing is incomplete, never malformed', () => {
    for (let length = 0; length < text.length; length++) {
      expect(parseResponse(text.slice(0, length)), `${length} bytes`).toBe(headIncomplete);
    }
  });

  it.each([
    ['no space behind the version', 'HTTP/1.1200 OK\r\n\r\n'],
    ['two spaces behind the version', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['a letter in the status', 'HTTP/1.1 2x0 OK\r\n\r\n'],
    ['a control byte in the reason', 'HTTP/1.1 200 \x01\r\n\r\n'],
    ['a tab behind the status', 'HTTP/1.1 200\tOK\r\n\r\n'],
    ['another version', 'HTTP/3.1 200 OK\r\n\r\n'],
  ])('with %s is malformed', (_, malformed) => {
    expect(parseResponse(malformed)).toBe(headMalformed);
  });

  it('of HTTP/1.0 keeps its minor version', () => {
    expect(responseHead(head('HTTP/1.0 200 OK')).minorVersion).toBe(0);
  });

  it('has the same limits', () => {
    expect(parseResponse(text, { maxBytes: text.length - 1, maxHeaders: 9 })).toBe(headTooLarge);
    expect(parseResponse(`HTTP/1.1 200 ${'x'.repeat(60)}`, { maxBytes: 50, maxHeaders: 9 })).toBe(headTooLarge);
    expect(parseResponse(text, { maxBytes: 999, maxHeaders: 1 })).toBe(headTooLarge);
  });
});
