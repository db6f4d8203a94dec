/** Requests that are malformed, and some that only look it: RFC 9113 §8. */
import { Flag, data, headers } from '../../support/http2/frames.ts';
import { type Field, block, literal } from '../../support/http2/hpack-writer.ts';
import {
  type ServerCase,
  concat,
  get,
  lastData,
  post,
  refused,
  requestFields,
  served,
  serverCase,
  whole,
} from './server-case.ts';

const endsBoth = Flag.endHeaders | Flag.endStream;
const base = requestFields('GET', '/bad');
const one = { upstream: ['GET /1'] };

/** A request with these headers behind the pseudo-headers. */
function malformed(title: string, ...fields: readonly Field[]): ServerCase {
  return serverCase(title, whole(1, [...base, ...fields]), refused());
}

/** A request that consists of these fields. */
function malformedHead(title: string, fields: readonly Field[]): ServerCase {
  return serverCase(title, whole(1, fields), refused());
}

function without(name: string): Field[] {
  return base.filter(([each]) => each !== name);
}

function replaced(name: string, value: string): Field[] {
  return base.map((field): Field => (field[0] === name ? [name, value] : field));
}

function show(text: string): string {
  return JSON.stringify(text);
}

export const pseudoCases: readonly ServerCase[] = [
  ...[':method', ':scheme', ':path'].map((name) => malformedHead(`§8.3.1 | a request without ${name}`, without(name))),
  ...base.map((field) => malformedHead(`§8.3 | ${field[0]} twice`, [field, ...base])),
  malformedHead('§8.3 | two different :path', [...base, [':path', '/other']]),
  malformed('§8.3 | a pseudo-header that nobody knows', [':unknown', '1']),
  malformed('§8.3 | a pseudo-header without a name', [':', '1']),
  malformed('§8.3 | :status in a request', [':status', '200']),
  ...base.map((field) =>
    malformedHead(`§8.3 | ${field[0]} behind a header`, [...without(field[0]), ['x', '1'], field]),
  ),
  malformedHead('§8.3 | only a header', [['x', '1']]),
  malformedHead('§8.3 | :PATH', [...without(':path'), [':PATH', '/bad']]),
  ...[
    '',
    'bad',
    '?bad',
    '//\0bad',
    '/b ad',
    '/bad\r\nx: 1',
    '/bad HTTP/1.1\r\nHost: b\r\n\r\nGET /bad',
    '/bad#f',
    '/bad\t',
  ].map((path) => malformedHead(`§8.3.1 | :path ${show(path)}`, replaced(':path', path))),
  malformedHead('§8.3.1 | :path * of a method other than OPTIONS', replaced(':path', '*')),
  ...['', 'GE T', 'GET /bad HTTP/1.1\r\n\r\n', 'GET\0', 'G(T', 'GET '].map((method) =>
    malformedHead(`§8.3.1 | :method ${show(method)}`, replaced(':method', method)),
  ),
  ...['', 'ht tp', 'http\r\nx: 1', '1http', 'http:'].map((scheme) =>
    malformedHead(`§8.3.1 | :scheme ${show(scheme)}`, replaced(':scheme', scheme)),
  ),
  ...['', 'a b', 'a\r\nx: 1', 'a\0', 'user@a', 'a/bad', 'a:1:2', 'a?b', 'a#b'].map((authority) =>
    malformedHead(`§8.3.1 | :authority ${show(authority)}`, replaced(':authority', authority)),
  ),
];

export const authorityCases: readonly ServerCase[] = [
  malformedHead('§8.3.1 | neither :authority nor host', without(':authority')),
  malformed('§8.3.1 | :authority and another host', ['host', 'b']),
  malformed('§8.3.1 | :authority and an empty host', ['host', '']),
  malformedHead('§8.3.1 | two hosts and no :authority', [...without(':authority'), ['host', 'a'], ['host', 'b']]),
  malformed('§8.3.1 | :authority, the same host and another one', ['host', 'a'], ['host', 'b']),
  malformedHead('§8.3.1 | an empty host and no :authority', [...without(':authority'), ['host', '']]),
  malformedHead('§8.3.1 | a host with a path and no :authority', [...without(':authority'), ['host', 'a/bad']]),
  serverCase('§8.3.1 | :authority and the same host', get(1, '/1', ['host', 'a']), served(1), one),
  serverCase(
    '§8.3.1 | host without :authority',
    whole(1, [...requestFields('GET', '/1').slice(0, 3), ['host', 'a']]),
    served(1),
    one,
  ),
  serverCase(
    '§8.3.1 | :authority with a port',
    whole(1, [...requestFields('GET', '/1').slice(0, 3), [':authority', 'a:80']]),
    served(1),
    one,
  ),
];

export const connectCases: readonly ServerCase[] = [
  malformedHead('§8.5 | CONNECT with :scheme and :path', [
    [':method', 'CONNECT'],
    [':scheme', 'http'],
    [':path', '/bad'],
    [':authority', 'a:80'],
  ]),
  malformedHead('§8.5 | CONNECT without :authority', [[':method', 'CONNECT']]),
  malformedHead('RFC 8441 §4 | :protocol without CONNECT', [...base, [':protocol', 'websocket']]),
];

const names = [
  'X',
  'xY',
  'x y',
  'x\0',
  'x\r\ny',
  'x\ny',
  'x\x7f',
  'x\xe9',
  'x:y',
  ' x',
  'x ',
  '',
  'x(',
  'x@y',
  'x\ty',
  'x,y',
];
const values = [
  'a\0b',
  'a\rb',
  'a\nb',
  'a\r\nx-bad: 1',
  '\0',
  ' a',
  'a ',
  '\ta',
  'a\t',
  ' ',
  '\r\n\r\nGET /bad HTTP/1.1',
];

export const headerCases: readonly ServerCase[] = [
  ...names.map((name) => malformed(`§8.2.1 | a header with the name ${show(name)}`, [name, '1'])),
  ...values.map((value) => malformed(`§8.2.1 | a header with the value ${show(value)}`, ['x', value])),
  ...(
    [
      ['connection', 'close'],
      ['connection', 'x'],
      ['keep-alive', 'timeout=5'],
      ['proxy-connection', 'keep-alive'],
      ['transfer-encoding', 'chunked'],
      ['transfer-encoding', 'identity'],
      ['upgrade', 'h2c'],
      ['upgrade', 'websocket'],
      ['te', 'gzip'],
      ['te', 'trailers, gzip'],
    ] as const
  ).map(([name, value]) => malformed(`§8.2.2 | ${name}: ${value}`, [name, value])),
  serverCase('§8.2.2 | te: trailers', get(1, '/1', ['te', 'trailers']), served(1), one),
  serverCase('§8.2 | an empty value', get(1, '/1', ['x', '']), served(1), one),
  serverCase(
    '§8.2 | names that every object has',
    get(1, '/1', ['__proto__', '1'], ['constructor', '1'], ['tostring', '1']),
    served(1),
    one,
  ),
  serverCase(
    '§8.2.1 | a value with bytes above 127 and a tab within',
    get(1, '/1', ['x', '\xc3\xa9 \t\xff']),
    served(1),
    one,
  ),
];

function withLength(title: string, length: string, body: readonly Buffer[]): ServerCase {
  return serverCase(title, concat(post(1, '/bad', ['content-length', length]), ...body), refused());
}

export const lengthCases: readonly ServerCase[] = [
  serverCase('§8.1.1 | content-length and no body', get(1, '/bad', ['content-length', '3']), refused()),
  serverCase(
    '§8.1.1 | content-length and no body, by an empty last DATA',
    concat(post(1, '/bad', ['content-length', '3']), lastData(1)),
    refused(),
  ),
  withLength('§8.1.1 | a body that is shorter than its content-length', '5', [data(1, 'ab'), lastData(1, 'c')]),
  withLength('§8.1.1 | a body that is longer than its content-length', '3', [lastData(1, 'abcd')]),
  serverCase(
    '§8.1.1 | a body where content-length is 0',
    concat(post(1, '/bad', ['content-length', '0']), lastData(1, 'abc')),
    refused(),
    { isSplit: false },
  ),
  withLength('§8.1.1 | trailers where the body is not whole', '5', [
    data(1, 'abc'),
    headers(1, literal(['x', '1']), endsBoth),
  ]),
  ...['+3', '-3', '3 ', '0x3', '3,4', '3, 4', '', 'abc', '3.0', '99999999999999999999', '3\x003'].map((length) =>
    withLength(`§8.1.1 | content-length ${show(length)}`, length, [lastData(1, 'abc')]),
  ),
  serverCase(
    '§8.1.1 | two different content-lengths',
    concat(post(1, '/bad', ['content-length', '3'], ['content-length', '4']), lastData(1, 'abc')),
    refused(),
  ),
  serverCase(
    '§8.1.1 | a content-length that is right',
    concat(post(1, '/1', ['content-length', '3']), data(1, 'a'), data(1, 'bc'), lastData(1)),
    served(1),
    { upstream: ['POST /1'] },
  ),
  serverCase('§8.1.1 | content-length 0 and no body', get(1, '/1', ['content-length', '0']), served(1), one),
];

function withTrailers(title: string, ...fields: readonly Field[]): ServerCase {
  return serverCase(title, concat(post(1, '/bad'), data(1, 'abc'), headers(1, block(fields), endsBoth)), refused());
}

export const trailerFieldCases: readonly ServerCase[] = [
  ...base.map(([name, value]) => withTrailers(`§8.1 | ${name} in trailers`, [name, value])),
  withTrailers('§8.1 | :status in trailers', [':status', '200']),
  withTrailers('§8.2.1 | an upper-case name in trailers', ['X', '1']),
  withTrailers('§8.2.1 | a line break in trailers', ['x', 'a\r\ny: 1']),
  withTrailers('§8.2.2 | connection in trailers', ['connection', 'close']),
  withTrailers('§8.2.2 | transfer-encoding in trailers', ['transfer-encoding', 'chunked']),
];
