/** Requests that are refused, because two readers could read them in two ways or because they ask for too much. */
import { type RequestCase, accepted, forwarded, head, refused } from './request-case.ts';

const get = ['GET / HTTP/1.1', 'Host: a'];
const post = ['POST / HTTP/1.1', 'Host: a'];

const startLines: readonly RequestCase[] = [
  refused('two empty lines before a request', `\r\n\r\n${head(...get)}`),
  refused('a bare LF before a request', `\n${head(...get)}`),
  refused('a bare CR before a request', `\r${head(...get)}`),
  refused('a start line that ends with LF', 'GET / HTTP/1.1\nHost: a\r\n\r\n'),
  refused('a start line that ends with CR', 'GET / HTTP/1.1\rHost: a\r\n\r\n'),
  refused('two spaces behind the method', head('GET  / HTTP/1.1', 'Host: a')),
  refused('two spaces behind the target', head('GET /  HTTP/1.1', 'Host: a')),
  refused('a space at the end of the start line', head('GET / HTTP/1.1 ', 'Host: a')),
  refused('a tab as separator', head('GET\t/ HTTP/1.1', 'Host: a')),
  refused('a space in the target', head('GET /a b HTTP/1.1', 'Host: a')),
  refused('no target', head('GET HTTP/1.1', 'Host: a')),
  refused('no version (HTTP/0.9)', head('GET /')),
  refused('HTTP/2.0', head('GET / HTTP/2.0', 'Host: a')),
  refused('HTTP/1.2', head('GET / HTTP/1.2', 'Host: a')),
  refused('HTTP/1.10', head('GET / HTTP/1.10', 'Host: a')),
  refused('a version in lower case', head('GET / http/1.1', 'Host: a')),
  refused('a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  refused('a method with a separator in it', head('GE(T / HTTP/1.1', 'Host: a')),
  refused('a control byte in the target', head('GET /\x01 HTTP/1.1', 'Host: a')),
  refused('NUL in the target', head('GET /\0 HTTP/1.1', 'Host: a')),
  refused('DEL in the target', head('GET /\x7f HTTP/1.1', 'Host: a')),
  refused('a byte above 127 in the target', head('GET /\xe9 HTTP/1.1', 'Host: a')),
  refused('a fragment in the target', head('GET /a#b HTTP/1.1', 'Host: a')),
  refused('* with a method other than OPTIONS', head('GET * HTTP/1.1', 'Host: a')),
  refused('a relative target', head('GET a HTTP/1.1', 'Host: a')),
  refused('a target with another scheme', head('GET https://a/ HTTP/1.1', 'Host: a')),
  refused('CONNECT', head('CONNECT a:80 HTTP/1.1', 'Host: a:80'), 501),
];

const headerLines: readonly RequestCase[] = [
  refused('obs-fold', head(...get, 'X: 1', ' folded')),
  refused('obs-fold with a tab', head(...get, 'X: 1', '\tfolded')),
  refused('a first header that is folded', head('GET / HTTP/1.1', ' Host: a')),
  refused('a header line that ends with LF', `GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n`),
  refused('a header line with CR in its value', head(...get, 'X: 1\r2')),
  refused('an empty line that is a bare LF', 'GET / HTTP/1.1\r\nHost: a\r\n\nX: 1\r\n\r\n'),
  refused('an empty line that is CR and a letter', 'GET / HTTP/1.1\r\nHost: a\r\n\rX: 1\r\n\r\n'),
  refused('a space before the colon', head(...get, 'X : 1')),
  refused('a tab before the colon', head(...get, 'Content-Length\t: 1')),
  refused('a header without a name', head(...get, ': 1')),
  refused('a header without a colon', head(...get, 'X')),
  refused('a header name with a space', head(...get, 'X Y: 1')),
  refused('a header name with a byte above 127', head(...get, 'X\xe9: 1')),
  refused('NUL in a header name', head(...get, 'X\0: 1')),
  refused('NUL in a header value', head(...get, 'X: a\0b')),
  refused('a control byte in a header value', head(...get, 'X: a\x08b')),
  refused('DEL in a header value', head(...get, 'X: a\x7fb')),
];

const hosts: readonly RequestCase[] = [
  refused('no Host', head('GET / HTTP/1.1')),
  refused('two Host headers', head(...get, 'host: a')),
  refused('Host with a path', head('GET / HTTP/1.1', 'Host: a/b')),
  refused('Host with user information', head('GET / HTTP/1.1', 'Host: u@a')),
  refused('Host with a space', head('GET / HTTP/1.1', 'Host: a b')),
  refused('Host with two ports', head('GET / HTTP/1.1', 'Host: a:1:2')),
  refused('Host with a port that is no number', head('GET / HTTP/1.1', 'Host: a:x')),
  refused('Host with an open bracket', head('GET / HTTP/1.1', 'Host: [::1')),
  refused('Host with bytes above 127', head('GET / HTTP/1.1', 'Host: \xe9')),
  refused('a list of hosts', head('GET / HTTP/1.1', 'Host: a, b c')),
  refused('an absolute-form target for another host', head('GET http://b/ HTTP/1.1', 'Host: a')),
  refused('an absolute-form target with another port', head('GET http://a:81/ HTTP/1.1', 'Host: a:80')),
  refused('an absolute-form target and an empty Host', head('GET http://a/ HTTP/1.1', 'Host:')),
  refused('an absolute-form target with user information', head('GET http://u@a/ HTTP/1.1', 'Host: a')),
  refused('an absolute-form target without a host', head('GET http:///x HTTP/1.1', 'Host: a')),
];

const chunked = 'Transfer-Encoding: chunked';
const framing: readonly RequestCase[] = [
  refused('both Content-Length and Transfer-Encoding', `${head(...post, 'Content-Length: 4', chunked)}0\r\n\r\n`),
  refused('both, the other way around', `${head(...post, chunked, 'Content-Length: 4')}0\r\n\r\n`),
  refused('two equal Content-Lengths', `${head(...post, 'Content-Length: 2', 'Content-Length: 2')}ab`),
  refused('two different Content-Lengths', `${head(...post, 'Content-Length: 2', 'content-length: 5')}abcde`),
  ...[
    '2, 2',
    '2,',
    '+2',
    '-1',
    '0x2',
    '2 2',
    '2;',
    '1e1',
    '2.0',
    '',
    '\xb2',
    '9007199254740993',
    '99999999999999999999',
  ].map((value) =>
    refused(`Content-Length: ${JSON.stringify(value)}`, `${head(...post, `Content-Length: ${value}`)}ab`),
  ),
  refused('two Transfer-Encodings', `${head(...post, chunked, chunked)}0\r\n\r\n`),
  ...[
    'gzip, chunked',
    'chunked, chunked',
    'chunked, identity',
    'identity',
    'xchunked',
    'chunked;q=1',
    '"chunked"',
    '',
  ].map((value) =>
    refused(
      `Transfer-Encoding: ${JSON.stringify(value)}`,
      `${head(...post, `Transfer-Encoding: ${value}`)}0\r\n\r\n`,
      501,
    ),
  ),
  refused('Transfer-Encoding with a vertical tab', `${head(...post, 'Transfer-Encoding: \x0bchunked')}0\r\n\r\n`),
  refused('Transfer-Encoding in HTTP/1.0', `${head('POST / HTTP/1.0', 'Host: a', chunked)}0\r\n\r\n`),
  refused('an expectation nobody knows', `${head(...post, 'Expect: 200-ok', 'Content-Length: 1')}a`),
];

const chunks: readonly RequestCase[] = (
  [
    ['no chunk size', '\r\n'],
    ['a chunk size that is no number', 'x\r\n'],
    ['a chunk size with a sign', '+1\r\na\r\n0\r\n\r\n'],
    ['a chunk size with 0x', '0x1\r\na\r\n0\r\n\r\n'],
    ['a chunk size with a space behind', '1 \r\na\r\n0\r\n\r\n'],
    ['a chunk size with a space before', ' 1\r\na\r\n0\r\n\r\n'],
    ['a chunk size that overflows 32 bits and 53 bits', 'fffffffffffffffff\r\n'],
    ['a chunk size behind more zeros than anybody needs', '000000000001\r\na\r\n0\r\n\r\n'],
    ['a chunk size that ends with LF', '1\na\r\n0\r\n\r\n'],
    ['a chunk size that ends with CR', '1\ra\r\n0\r\n\r\n'],
    ['a chunk extension with LF', '1;a\nb\r\na\r\n0\r\n\r\n'],
    ['a chunk extension with NUL', '1;\0\r\na\r\n0\r\n\r\n'],
    ['a chunk that is longer than its size', '1\r\nab\r\n0\r\n\r\n'],
    ['a chunk that ends with LF', '1\r\na\n0\r\n\r\n'],
    ['a trailer that is folded', '0\r\nX: 1\r\n y\r\n\r\n'],
    ['a trailer without a name', '0\r\n: 1\r\n\r\n'],
    ['a trailer without a colon', '0\r\n1\r\n\r\n'],
    ['a trailer with a space before the colon', '0\r\nX : 1\r\n\r\n'],
    ['a trailer with a bare LF', '0\r\nX: 1\n\r\n'],
    ['a last chunk that ends with LF', '0\r\n\n'],
    ['chunk extensions beyond the limit', `1;${'x'.repeat(17_000)}\r\na\r\n0\r\n\r\n`],
    ['many small chunk extensions beyond the limit', `${`1;${'x'.repeat(200)}\r\na\r\n`.repeat(90)}0\r\n\r\n`],
    ['trailers beyond the limit', `0\r\n${`X: ${'y'.repeat(100)}\r\n`.repeat(170)}\r\n`],
  ] as const
).map(([name, body]) => refused(name, head(...post, chunked) + body));

const limits: readonly RequestCase[] = [
  refused('a head of more than 60 KiB', head(...get, `X: ${'x'.repeat(62_000)}`), 431),
  refused('a head of more than 60 KiB that does not end', `${head(...get).slice(0, -2)}X: ${'x'.repeat(62_000)}`, 431),
  refused('a target of more than 60 KiB', `GET /${'x'.repeat(62_000)}`, 431),
  refused('a method of more than 60 KiB', 'X'.repeat(62_000), 431),
  refused('101 headers', head(...get, ...Array.from({ length: 100 }, (_, i) => `X-${i}: 1`)), 431),
  refused('thousands of headers', head(...get, ...Array.from({ length: 9_000 }, () => 'a:')), 431),
];

const behindAnother: readonly RequestCase[] = [
  accepted('a malformed request behind a good one', {
    send: head(...get) + head('GET /2 HTTP/1.1'),
    upstream: [forwarded(get)],
    statuses: [200, 400],
    closes: true,
  }),
  accepted('what stands behind a malformed request is not read', {
    send: head(...get) + head('GET /2 HTTP/1.1', 'Host : a') + head('GET /3 HTTP/1.1', 'Host: a'),
    upstream: [forwarded(get)],
    statuses: [200, 400],
    closes: true,
  }),
  accepted('a body that is longer than its Content-Length is the next request', {
    send: `${head(...post, 'Content-Length: 2')}abGARBAGE\r\n\r\n`,
    upstream: [forwarded([...post, 'Content-Length: 2'], 'ab')],
    statuses: [200, 400],
    closes: true,
  }),
];

export const malformedRequests: readonly RequestCase[] = [
  ...startLines,
  ...headerLines,
  ...hosts,
  ...framing,
  ...chunks,
  ...limits,
  ...behindAnother,
];
