import { describe, expect, it } from 'vitest';
import { meshErrors } from '../../../proxy/common/errors.ts';
import { connectionHas, frameRequest, frameResponse } from '../../../proxy/http1/framing.ts';
import { chunkedBody, untilClose } from '../../../proxy/http/message-head.ts';
import { requestHead, responseHead } from './parsing.ts';
import { head } from './request-case.ts';

const post = ['POST / HTTP/1.1', 'Host: a'];

function frame(...lines: readonly string[]): { status: number; contentLength: number; expectsContinue: boolean } {
  const parsed = requestHead(head(...lines));
  const error = frameRequest(parsed);
  const { contentLength, expectsContinue } = parsed;
  return { status: error === undefined ? 0 : meshErrors[error.code].status, contentLength, expectsContinue };
}

describe('the body of a request', () => {
  it.each([
    ['nothing', [], 0],
    ['Content-Length: 0', ['Content-Length: 0'], 0],
    ['Content-Length: 12', ['Content-Length: 12'], 12],
    ['Content-Length with 15 digits', ['Content-Length: 999999999999999'], 999_999_999_999_999],
    ['Transfer-Encoding: chunked', ['Transfer-Encoding: Chunked'], chunkedBody],
  ])('is declared by %s', (_, lines, contentLength) => {
    expect(frame(...post, ...lines)).toMatchObject({ status: 0, contentLength });
  });

  it.each([
    ['Content-Length: 1234567890123456', 400],
    ['Content-Length: 1a', 400],
    ['Content-Length: \u00b2', 400],
    ['Transfer-Encoding: gzip', 501],
    ['Expect: something', 400],
  ])('declared by %s is refused with %i', (line, status) => {
    expect(frame(...post, line).status).toBe(status);
  });

  it('is waited for with 100-continue only when there is one', () => {
    expect(frame(...post, 'Expect: 100-Continue', 'Content-Length: 1').expectsContinue).toBe(true);
    expect(frame(...post, 'Expect: 100-continue', 'Transfer-Encoding: chunked').expectsContinue).toBe(true);
    expect(frame(...post, 'Expect: 100-continue').expectsContinue).toBe(false);
    expect(frame('POST / HTTP/1.0', 'Expect: 100-continue', 'Content-Length: 1').expectsContinue).toBe(false);
  });
});

describe('the authority', () => {
  const authorityOf = (target: string, ...lines: readonly string[]): { authority: string; path: string } | number => {
    const parsed = requestHead(head(`GET ${target} HTTP/1.1`, ...lines));
    const error = frameRequest(parsed);
    return error === undefined ? { authority: parsed.authority, path: parsed.path } : meshErrors[error.code].status;
  };

  it.each(['a', 'a.b-c_d:80', 'A', '127.0.0.1:1', '[::1]', '[2001:db8::1]:65535', 'a:', '%61'])('may be %s', (host) => {
    expect(authorityOf('/x', `Host: ${host}`)).toEqual({ authority: host, path: '/x' });
  });

  it.each(['a b', 'a/b', 'a?b', 'u@a', 'a:b', 'a:123456', '[::1', '::1', '<a>', 'a"', 'a\\b', '[a]b'])(
    'may not be %s',
    (host) => {
      expect(authorityOf('/', `Host: ${host}`)).toBe(400);
    },
  );

  it('is checked again after a valid one', () => {
    expect(authorityOf('/', 'Host: good')).toEqual({ authority: 'good', path: '/' });
    expect(authorityOf('/', 'Host: b@d')).toBe(400);
    expect(authorityOf('/', 'Host: b@d')).toBe(400);
  });

  it('of an absolute-form target decides, and the path is what is behind it', () => {
    expect(authorityOf('http://a:1/b?c=http://d', 'Host: A:1')).toEqual({ authority: 'a:1', path: '/b?c=http://d' });
    expect(authorityOf('http://a?b', 'Host: a')).toEqual({ authority: 'a', path: '/?b' });
    expect(authorityOf('http://a', 'Host: b')).toBe(400);
  });
});

describe('the body of a response', () => {
  const lengthOf = (method: string, status: number, ...lines: readonly string[]): number | string => {
    const parsed = responseHead(head(`HTTP/1.1 ${status} X`, ...lines));
    return frameResponse(parsed, method)?.code ?? parsed.contentLength;
  };

  it.each([
    ['GET', 200, ['Content-Length: 5'], 5],
    ['GET', 200, ['Transfer-Encoding: chunked'], chunkedBody],
    ['GET', 200, [], untilClose],
    ['GET', 500, [], untilClose],
    ['GET', 100, ['Content-Length: 5'], 0],
    ['GET', 204, ['Content-Length: 5'], 0],
    ['GET', 304, ['Transfer-Encoding: chunked'], 0],
    ['HEAD', 200, ['Content-Length: 5'], 0],
    ['HEAD', 200, ['Transfer-Encoding: chunked'], 0],
    ['HEAD', 200, [], 0],
  ] as const)('to %s with %i and %j', (method, status, lines, length) => {
    expect(lengthOf(method, status, ...lines)).toBe(length);
  });

  it.each([
    [['Content-Length: x']],
    [['Content-Length: 1', 'Transfer-Encoding: chunked']],
    [['Transfer-Encoding: gzip']],
  ])('with %j is not forwarded, not even to HEAD', (lines) => {
    expect(lengthOf('GET', 200, ...lines)).toBe('upstream_protocol_error');
    expect(lengthOf('HEAD', 200, ...lines)).toBe('upstream_protocol_error');
  });
});

describe('a Connection header', () => {
  it.each([
    ['close', true],
    ['Close', true],
    ['keep-alive', false],
    ['x, CLOSE ,y', true],
    ['closed', false],
    ['x-close', false],
    ['', false],
  ])('of %j closes: %s', (value, closes) => {
    expect(connectionHas(requestHead(head(...post, `Connection: ${value}`)).headers, 'close')).toBe(closes);
  });

  it('counts wherever it stands among others', () => {
    const { headers } = requestHead(head(...post, 'Connection: close', 'X: 1', 'Connection: keep-alive'));
    expect(connectionHas(headers, 'close')).toBe(true);
    expect(connectionHas(headers, 'keep-alive')).toBe(true);
  });
});
