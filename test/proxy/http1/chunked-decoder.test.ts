import { describe, expect, it } from 'vitest';
import { ChunkedDecoder } from '../../../proxy/http1/chunked-decoder.ts';
import { splitOffsets } from './splits.ts';

interface Outcome {
  readonly data: string;
  readonly isDone: boolean;
  /** What stands behind the message. */
  readonly rest: string;
}

/** Decodes `pieces` one after the other; undefined when they are refused. */
function decode(pieces: readonly string[], decoder = new ChunkedDecoder()): Outcome | undefined {
  let data = '';
  let rest = '';
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1');
    let at = 0;
    while (at < bytes.length && !decoder.isDone) {
      if (!decoder.decode(bytes, at, bytes.length)) return undefined;
      data += bytes.toString('latin1', decoder.dataStart, decoder.dataEnd);
      at = decoder.next;
    }
    rest += piece.slice(at);
  }
  return { data, isDone: decoder.isDone, rest };
}

function sorted(text: string): string {
  return text.split('').sort().join('');
}

describe('chunks', () => {
  const text = '5;a="b"\r\nhello\r\nA\r\n \r\n0\r\n\r\n..\r\n000\r\nX: y\r\nZ:\r\n\r\nNEXT';
  const outcome = { data: 'hello \r\n0\r\n\r\n..', isDone: true, rest: 'NEXT' };

  it('are joined, without extensions and trailers, and end where they end', () => {
    expect(decode([text])).toEqual(outcome);
  });

  it('may be split anywhere', () => {
    for (const at of splitOffsets(text)) expect(decode([text.slice(0, at), text.slice(at)]), `${at}`).toEqual(outcome);
    expect(decode(text.split(''))).toEqual(outcome);
  });

  it('are not done before their last byte', () => {
    const complete = text.slice(0, -'NEXT'.length);
    for (let at = 0; at < complete.length; at++) expect(decode([complete.slice(0, at)])?.isDone, `${at}`).toBe(false);
  });

  it('give the decoder back as new after a reset', () => {
    const decoder = new ChunkedDecoder();
    decode(['3\r\nab'], decoder);
    decoder.reset();
    expect(decode(['1\r\nx\r\n0\r\n\r\n'], decoder)).toEqual({ data: 'x', isDone: true, rest: '' });
  });

  it('of more than 4 GiB are counted exactly', () => {
    const decoder = new ChunkedDecoder();
    expect(decode(['100000001\r\n'], decoder)?.isDone).toBe(false);
    const bytes = Buffer.alloc(1 << 20, 'x');
    for (let i = 0; i < 4096; i++) decoder.decode(bytes, 0, bytes.length);
    expect(decode(['x\r\n0\r\n\r\n'], decoder)).toEqual({ data: 'x', isDone: true, rest: '' });
  });
});

describe('the framing', () => {
  /** Which bytes may come next behind `begin` without being refused. */
  const allowedBehind = (begin: string): string => {
    let allowed = '';
    for (let byte = 0; byte < 256; byte++) {
      const char = String.fromCharCode(byte);
      if (decode([begin + char]) !== undefined) allowed += char;
    }
    return allowed;
  };
  const token = "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~";

  it.each([
    ['at the beginning', '', '0123456789ABCDEFabcdef'],
    ['behind a digit', '1', '\r0123456789;ABCDEFabcdef'],
    ['behind CR of a size', '1\r', '\n'],
    ['behind CR of an extension', '1;\r', '\n'],
    ['behind the data', '1\r\nx', '\r'],
    ['behind CR of the data', '1\r\nx\r', '\n'],
    ['behind a chunk', '1\r\nx\r\n', '0123456789ABCDEFabcdef'],
    ['behind the last chunk', '0\r\n', `\r${token}`],
    ['in the name of a trailer', '0\r\nx', sorted(`${token}:`)],
    ['behind CR of a trailer', '0\r\nx:\r', '\n'],
    ['behind a trailer', '0\r\nx:\r\n', `\r${token}`],
    ['behind the last CR', '0\r\n\r', '\n'],
  ])('takes %s only what belongs there', (_, begin, allowed) => {
    expect(allowedBehind(begin)).toBe(sorted(allowed));
  });

  it('takes no control bytes in extensions and trailers', () => {
    for (const begin of ['1;', '0\r\nx:']) {
      const allowed = allowedBehind(begin);
      expect(allowed).not.toMatch(/[\x00-\x08\n\x0b\x0c\x0e-\x1f\x7f]/);
      expect(allowed).toContain('\t');
    }
  });

  it('is bounded: extensions and trailers of one message may have 16 KiB together', () => {
    const chunk = `1;${'e'.repeat(1_000)}\r\nx\r\n`;
    expect(decode([chunk.repeat(16)])?.data).toBe('x'.repeat(16));
    expect(decode([chunk.repeat(17)])).toBeUndefined();
    expect(decode([`0\r\nx:${'y'.repeat(16_000)}\r\n\r\n`])?.isDone).toBe(true);
    expect(decode([`0\r\nx:${'y'.repeat(17_000)}\r\n\r\n`])).toBeUndefined();
  });

  it('is bounded: a size has eleven digits at most', () => {
    expect(decode(['00000000001\r\nx'])?.data).toBe('x');
    expect(decode(['000000000001\r\nx'])).toBeUndefined();
  });
});
