/** What the proxy writes of messages that follow each other on one connection, read by a reader that shares nothing with it. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../proxy/common/seeded-random.ts';
import { responseHeadLimits } from '../../../proxy/http/head-limits.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead, ResponseHead } from '../../../proxy/http/message-head.ts';
import { parseRequestHead, parseResponseHead } from '../../../proxy/http1/head-parser.ts';
import { HpackDecoder } from '../../../proxy/http2/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../../proxy/http2/hpack/hpack-encoder.ts';
import { encodeRequest, encodeResponse, encodeTrailers } from '../../../proxy/http2/message-writer.ts';
import { RequestReader } from '../../../proxy/http2/request-reader.ts';
import { HpackReader } from '../../support/http2/hpack-reader.ts';
import { block, type Field } from '../../support/http2/hpack-writer.ts';

const names = [
  'user',
  'other',
  'x-trace',
  'content-type',
  'accept',
  'x-long-name-of-a-header',
  'authorization',
  'date',
];

/** A few values come again and again, others once. */
function randomFields(random: () => number): Field[] {
  const count = Math.floor(random() * 12);
  return Array.from({ length: count }, () => {
    const name = names[Math.floor(random() * names.length)] ?? '';
    const isRare = random() < 0.3;
    return [name, isRare ? `v${Math.floor(random() * 1e9)}` : `v${Math.floor(random() * 5)}`] as const;
  });
}

describe('the header blocks of one connection', () => {
  const encoder = new HpackEncoder();
  const reader = new HpackReader();
  const read = (text: string): Field[] => reader.read(Buffer.from(text, 'latin1'));
  const random = seededRandom(20261126);

  it('have the fields of each message, and of no other, whatever was sent before and after', () => {
    for (let i = 0; i < 500; i++) {
      const fields = randomFields(random);
      const head = new RequestHead();
      const requestReader = new RequestReader(responseHeadLimits);
      const acceptsTrailers = random() < 0.5;
      requestReader.open(head);
      const start: Field[] = [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':authority', `host-${i % 3}`],
        [':path', `/${i}`],
      ];
      const te: Field[] = acceptsTrailers ? [['te', 'trailers']] : [];
      const bytes = block([...start, ...te, ...fields]);
      expect(new HpackDecoder().decode(bytes, 0, bytes.length, requestReader)).toBe(true);
      requestReader.close(false);
      expect(requestReader.fault).toBeUndefined();
      head.headers.add(new HeaderName('x-added'), String(i));
      expect(read(encodeRequest(encoder, head))).toEqual([...start, ...fields, ['x-added', String(i)], ...te]);

      const response = new ResponseHead();
      response.status = i % 2 === 0 ? 200 : 418;
      for (const [name, value] of fields) response.headers.add(new HeaderName(name), value);
      expect(read(encodeResponse(encoder, response))).toEqual([[':status', String(response.status)], ...fields]);
      expect(read(encodeTrailers(encoder, fields))).toEqual(fields);
    }
  });

  it('name the fields of HTTP/1.1 in lower case, and leave out Host and what was removed', () => {
    const text = 'GET /a?b HTTP/1.1\r\nHost: shop\r\nX-One: 1\r\nX-Gone: 2\r\nAccept:  text/html \r\n\r\n';
    const head = new RequestHead();
    parseRequestHead(Buffer.from(text), { start: 0, end: text.length }, responseHeadLimits, head);
    head.authority = 'shop';
    head.headers.remove(new HeaderName('x-gone'));
    const fields = read(encodeRequest(encoder, head));
    expect(fields).toEqual([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'shop'],
      [':path', '/a?b'],
      ['x-one', '1'],
      ['accept', 'text/html'],
    ]);
    const answer = 'HTTP/1.1 404 Nothing\r\nX-Two: 2\r\n\r\n';
    const response = new ResponseHead();
    parseResponseHead(Buffer.from(answer), { start: 0, end: answer.length }, responseHeadLimits, response);
    expect(read(encodeResponse(encoder, response))).toEqual([
      [':status', '404'],
      ['x-two', '2'],
    ]);
  });
});
