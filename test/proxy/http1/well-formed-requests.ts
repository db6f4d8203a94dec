/** Requests that are forwarded. */
import { type RequestCase, accepted, chunkedLine, forwarded, head } from './request-case.ts';

const get = ['GET / HTTP/1.1', 'Host: a'];
const longPath = `/${'segment/'.repeat(2_000)}`;
const manyHeaders = Array.from({ length: 98 }, (_, i) => `X-${i}: ${i}`);

const plain: readonly RequestCase[] = [
  accepted('a GET', { send: head(...get), upstream: [forwarded(get)] }),
  accepted('a GET behind an empty line', { send: `\r\n${head(...get)}`, upstream: [forwarded(get)] }),
  accepted('header lines keep their order, case and spacing', {
    send: head('GET /a?b=c&d HTTP/1.1', 'B:1', 'HOST:   a  ', 'a: \t2', 'b: 3', 'Empty:', 'C: x y\tz'),
    upstream: [forwarded(['GET /a?b=c&d HTTP/1.1', 'B:1', 'HOST:   a  ', 'a: \t2', 'b: 3', 'Empty:', 'C: x y\tz'])],
  }),
  accepted('header values with UTF-8 and latin1 bytes', {
    send: head(...get, `X-Utf8: ${Buffer.from('Grüße, 世界').toString('latin1')}`, 'X-Latin1: \xe9\xff\x80'),
    upstream: [
      forwarded([...get, `X-Utf8: ${Buffer.from('Grüße, 世界').toString('latin1')}`, 'X-Latin1: \xe9\xff\x80']),
    ],
  }),
  accepted('header names that are properties of every object', {
    send: head(...get, '__proto__: 1', 'constructor: 2', 'toString: 3', 'hasOwnProperty: 4'),
    upstream: [forwarded([...get, '__proto__: 1', 'constructor: 2', 'toString: 3', 'hasOwnProperty: 4'])],
  }),
  accepted('header names with underscores and every other token character', {
    send: head(...get, 'x_y: 1', "!#$%&'*+-.^_`|~09AZaz: 2"),
    upstream: [forwarded([...get, 'x_y: 1', "!#$%&'*+-.^_`|~09AZaz: 2"])],
  }),
  accepted('a method nobody has heard of', {
    send: head('M-SEARCH /x HTTP/1.1', 'Host: a'),
    upstream: [forwarded(['M-SEARCH /x HTTP/1.1', 'Host: a'])],
  }),
  accepted('a very long path', {
    send: head(`GET ${longPath} HTTP/1.1`, 'Host: a'),
    upstream: [forwarded([`GET ${longPath} HTTP/1.1`, 'Host: a'])],
  }),
  accepted('exactly 100 headers', {
    send: head(...get, 'X: y', ...manyHeaders),
    upstream: [forwarded([...get, 'X: y', ...manyHeaders])],
  }),
  accepted('x-forwarded-proto that is there already', {
    send: head(...get, 'X-Forwarded-Proto: https'),
    upstream: [{ head: head(...get, 'X-Forwarded-Proto: https'), body: '' }],
  }),
  accepted('Host with a port, an IPv6 address, or nothing', {
    send: ['a:8080', '[::1]:80', ''].map((host) => head('GET / HTTP/1.1', `Host: ${host}`)).join(''),
    upstream: ['a:8080', '[::1]:80', ''].map((host) => forwarded(['GET / HTTP/1.1', `Host: ${host}`])),
  }),
];

const targets: readonly RequestCase[] = [
  accepted('an absolute-form target', {
    send: head('GET http://a:80/b?c HTTP/1.1', 'Host: a:80'),
    upstream: [forwarded(['GET /b?c HTTP/1.1', 'Host: a:80'])],
  }),
  accepted('an absolute-form target without a path', {
    send: head('GET http://a HTTP/1.1', 'Host: A') + head('GET HTTP://a?q HTTP/1.1', 'Host: a'),
    upstream: [forwarded(['GET / HTTP/1.1', 'Host: A']), forwarded(['GET /?q HTTP/1.1', 'Host: a'])],
  }),
  accepted('OPTIONS *', {
    send: head('OPTIONS * HTTP/1.1', 'Host: a'),
    upstream: [forwarded(['OPTIONS * HTTP/1.1', 'Host: a'])],
  }),
  accepted('paths that look special keep their bytes', {
    send: head('GET //a/../b/%2F%5C;x=1/%00?a=%0d%0a HTTP/1.1', 'Host: a'),
    upstream: [forwarded(['GET //a/../b/%2F%5C;x=1/%00?a=%0d%0a HTTP/1.1', 'Host: a'])],
  }),
];

const bodies: readonly RequestCase[] = [
  accepted('a body with Content-Length', {
    send: `${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 5')}he\r\no`,
    upstream: [forwarded(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 5'], 'he\r\no')],
  }),
  accepted('an empty body with Content-Length', {
    send: head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 0'),
    upstream: [forwarded(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 0'])],
  }),
  accepted('a Content-Length with zeros before and white space behind is sent on as a plain number', {
    send: `${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 002\t', 'X: 1')}ab`,
    upstream: [
      { head: head('POST / HTTP/1.1', 'Host: a', 'X: 1', 'content-length: 2', 'x-forwarded-proto: http'), body: 'ab' },
    ],
  }),
  accepted('a GET with a body', {
    send: `${head(...get, 'content-length: 3')}abc`,
    upstream: [forwarded([...get, 'content-length: 3'], 'abc')],
  }),
  accepted('a chunked body: extensions and trailers end here', {
    send: `${head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Trailer: x')}3;a=b;c="d e"\r\nabc\r\n0A\r\n0123456789\r\n000;z\r\nX: 1\r\ny:\r\n\r\n`,
    upstream: [forwarded(['POST / HTTP/1.1', 'Host: a'], 'abc0123456789', [chunkedLine])],
  }),
  accepted('an empty chunked body', {
    send: `${head('POST / HTTP/1.1', 'Host: a', 'transfer-encoding: CHUNKED')}0\r\n\r\n`,
    upstream: [forwarded(['POST / HTTP/1.1', 'Host: a'], '', [chunkedLine])],
  }),
  accepted('a body that looks like a request', {
    send: `${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 36')}GET /smuggled HTTP/1.1\r\nHost: evil\r\n`,
    upstream: [
      forwarded(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 36'], 'GET /smuggled HTTP/1.1\r\nHost: evil\r\n'),
    ],
  }),
  accepted('Expect: 100-continue is answered at this hop', {
    send: `${head('PUT / HTTP/1.1', 'Host: a', 'Expect: 100-Continue', 'Content-Length: 2')}ab`,
    upstream: [forwarded(['PUT / HTTP/1.1', 'Host: a', 'Content-Length: 2'], 'ab')],
    statuses: [100, 200],
  }),
  accepted('Expect: 100-continue without a body', {
    send: head(...get, 'Expect: 100-continue'),
    upstream: [forwarded(get)],
  }),
];

const connections: readonly RequestCase[] = [
  accepted('three pipelined requests', {
    send:
      head('GET /1 HTTP/1.1', 'Host: a') +
      `${head('POST /2 HTTP/1.1', 'Host: a', 'Content-Length: 3')}two` +
      head('GET /3 HTTP/1.1', 'Host: a'),
    upstream: [
      forwarded(['GET /1 HTTP/1.1', 'Host: a']),
      forwarded(['POST /2 HTTP/1.1', 'Host: a', 'Content-Length: 3'], 'two'),
      forwarded(['GET /3 HTTP/1.1', 'Host: a']),
    ],
  }),
  accepted('pipelined chunked requests and a HEAD', {
    send:
      `${head('POST /1 HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}1\r\nx\r\n0\r\n\r\n` +
      head('HEAD /2 HTTP/1.1', 'Host: a') +
      `${head('POST /3 HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}2\r\nyz\r\n0\r\nT: 1\r\n\r\n`,
    upstream: [
      forwarded(['POST /1 HTTP/1.1', 'Host: a'], 'x', [chunkedLine]),
      forwarded(['HEAD /2 HTTP/1.1', 'Host: a']),
      forwarded(['POST /3 HTTP/1.1', 'Host: a'], 'yz', [chunkedLine]),
    ],
    heads: [1],
  }),
  accepted('Connection: close', {
    send: head(...get, 'Connection: close'),
    upstream: [forwarded(get)],
    closes: true,
  }),
  accepted('what is behind a request with Connection: close is not read', {
    send: head(...get, 'Connection: foo, Close') + head('GET /never HTTP/1.1', 'Host: a'),
    upstream: [forwarded(get)],
    closes: true,
  }),
  accepted('Connection: close in the first of two Connection headers', {
    send: head(...get, 'Connection: close', 'Connection: x-a', 'X-A: 1'),
    upstream: [forwarded(get)],
    closes: true,
  }),
  accepted('HTTP/1.0 closes', {
    send: head('GET / HTTP/1.0', 'Host: a'),
    upstream: [forwarded(['GET / HTTP/1.1', 'Host: a'])],
    closes: true,
  }),
  accepted('HTTP/1.0 without a Host', {
    send: head('GET / HTTP/1.0'),
    upstream: [{ head: head('GET / HTTP/1.1', 'x-forwarded-proto: http', 'host: '), body: '' }],
    closes: true,
  }),
  accepted('HTTP/1.0 with keep-alive', {
    send: head('GET / HTTP/1.0', 'Host: a', 'Connection: Keep-Alive').repeat(2),
    upstream: [forwarded(['GET / HTTP/1.1', 'Host: a']), forwarded(['GET / HTTP/1.1', 'Host: a'])],
  }),
  accepted('a name in Connection behind a byte that only Unicode takes for white space', {
    send: head(...get, 'Connection: \xa0x-a,close\xa0', 'X-A: 1'),
    upstream: [forwarded([...get, 'X-A: 1'])],
  }),
  accepted('hop-by-hop headers and those that Connection names', {
    send: head(
      ...get,
      'Connection: keep-alive, X-Hop ,te, Host, Authorization',
      'Keep-Alive: timeout=5',
      'X-Hop: 1',
      'x-HOP: 2',
      'X-Hop-2: stays',
      'TE: trailers',
      'Upgrade: h2c',
      'Proxy-Connection: keep-alive',
      'Authorization: a',
    ),
    upstream: [forwarded([...get, 'X-Hop-2: stays'])],
  }),
  accepted('headers named by the first of two Connection headers', {
    send: head(...get, 'Connection: x-a', 'X-A: 1', 'Connection: x-b', 'X-B: 2', 'X-C: 3'),
    upstream: [forwarded([...get, 'X-C: 3'])],
  }),
  accepted('framing headers cannot be named away', {
    send: `${head('POST / HTTP/1.1', 'Host: a', 'Connection: content-length, host', 'Content-Length: 2')}ab`,
    upstream: [forwarded(['POST / HTTP/1.1', 'Host: a', 'Content-Length: 2'], 'ab')],
  }),
];

export const wellFormedRequests: readonly RequestCase[] = [...plain, ...targets, ...bodies, ...connections];
