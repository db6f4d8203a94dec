/**
 * Messages built part by part, each part nearly always right and sometimes one of the ways in which parsers are tricked:
 * lengths and codings that contradict each other, folded lines, line ends of one byte, sizes beyond all numbers.
 */
import type { Dice } from './dice.ts';
import { mutate } from './message-mutator.ts';

const methods = ['GET', 'GET', 'POST', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE'];
const oddMethods = ['get', 'CONNECT', 'G@T', 'PRI', '', 'GET ', 'X'.repeat(40)];
const targets = [
  '/',
  '/a?b=c',
  '/%2e%2e/a',
  '/a/../b;c',
  '//a/b',
  '/?x=/../',
  'http://a/x',
  'HTTP://a/',
  'http://a?q',
  'http://a',
  '/\\x',
  '/~"|',
  '*',
];
const oddTargets = [
  'a',
  'http://b/',
  'https://a/',
  'http://u@a/',
  '/#f',
  '/\0',
  '/\x7f',
  '/\xe9',
  '',
  'http:///',
  'a:80',
  `/${'x'.repeat(300)}`,
];
const oddVersions = [
  'HTTP/1.0',
  'HTTP/1.0',
  'HTTP/1.2',
  'HTTP/2.0',
  'http/1.1',
  'HTTP/01.1',
  'HTTP/1.1 ',
  'HTTP/1',
  '',
];
const hosts = ['Host: a', 'host:a', 'HOST:  a  ', 'Host: a:80'];
const oddHosts = [
  '',
  'Host: b',
  'Host:',
  'Host: a, b',
  'Host : a',
  'Host: a\r\nHost: a',
  'Host: a b',
  'Host: a/../',
  'Host: [::1]',
  'Host: a\r\n b',
];

/** Lines that have nothing to do with framing, or look so. */
const extras = [
  'X: 1', 'x-a:', 'X:\t 1 \t', 'Cookie: a=b; c=d', 'Cookie: e', 'Accept: */*', '__proto__: 1', 'constructor: 2', 'hasOwnProperty: x',
  'Content_Length: 9', 'Transfer_Encoding: chunked', 'X-Content-Length: 7', 'Connection: close', 'Connection: keep-alive',
  'Connection: x, Keep-Alive', 'Connection: host, content-length', 'Connection: transfer-encoding', 'Keep-Alive: timeout=5',
  'Expect: 100-continue', 'TE: trailers', 'Trailer: X', 'X: \xe4\xff', 'x-forwarded-proto: https', 'x-request-id: r', 'Range: bytes=0-1',
  `Y: ${'y'.repeat(200)}`, 'X: "a\\"', 'X: a,b', 'Via: 1.1 v', 'Proxy-Connection: keep-alive',
]; // prettier-ignore
const oddExtras = [
  ' folded: 1', '\tfolded', 'X : 1', ': 1', 'X', 'X: \0', 'X: a\rb', 'X: a\nContent-Length: 5', 'X\x00: 1', 'Expect: 200', 'X[]: 1', '\xe9: 1',
  'Upgrade: websocket\r\nConnection: upgrade', 'X: 1\r\n folded', 'X: 1\r\n\tContent-Length: 3', 'Content-Length\x0b: 3', 'Connection: \x0bclose',
]; // prettier-ignore

/** What contradicts the body that follows. */
const oddFramings = [
  'Content-Length: 5\r\nTransfer-Encoding: chunked', 'Transfer-Encoding: chunked\r\nContent-Length: 5', 'Content-Length: 5\r\nContent-Length: 5',
  'Content-Length: 5\r\nContent-Length: 6', 'Content-Length: 5, 5', 'Content-Length: 5,', 'Content-Length: +5', 'Content-Length: -5', 'Content-Length: 0x5',
  'Content-Length: 5 5', 'Content-Length: 5.0', 'Content-Length: 5e0', 'Content-Length: ', 'Content-Length: 18446744073709551621', 'Content-Length: 4294967301',
  'Content-Length: 9007199254740993', 'Content-Length : 5', 'Content-Length:\x0b5', 'Content-Length: \xa05', 'Content-Length: 5\x00', 'Content-Length:\r\n 5', 'Content-Length\t: 5',
  'Transfer-Encoding: identity', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked, identity', 'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: xchunked', 'Transfer-Encoding: chunked;q=1', 'Transfer-Encoding: "chunked"', 'Transfer-Encoding:\x0bchunked', 'Transfer-Encoding: chunked\x0c',
  'Transfer-Encoding: \x00chunked', 'Transfer-Encoding:\r\n chunked', 'Transfer-Encoding : chunked', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-encoding: identity', 'Transfer-Encoding: ', 'Transfer-Encoding: ,chunked', 'Transfer-Encoding: chunke\xd0', 'Transfer-Encoding\x00: chunked',
]; // prettier-ignore
const lineEnds = ['\n', '\r', '\r\r\n', '\n\r', ' \r\n', '\0\r\n', '', '\r\n\r\n'];
const sizesOf: readonly ((size: number) => string)[] = [
  (size) => size.toString(16),
  (size) => size.toString(16).toUpperCase(),
  (size) => `0${size.toString(16)}`,
  (size) => `000${size.toString(16)}`,
];
const oddSizesOf: readonly ((size: number) => string)[] = [
  (size) => (size + 1).toString(16),
  (size) => Math.max(0, size - 1).toString(16),
  (size) => `0x${size.toString(16)}`,
  (size) => `+${size.toString(16)}`,
  (size) => `-${size.toString(16)}`,
  (size) => ` ${size.toString(16)}`,
  (size) => `${size.toString(16)} `,
  (size) => `1${'0'.repeat(16)}${size.toString(16)}`,
  (size) => `1${'0'.repeat(8)}${size.toString(16)}`,
  (size) => `${'0'.repeat(30)}${size.toString(16)}`,
  (size) => `${size.toString(16)}g`,
  () => '',
  () => 'fffffffffffffffff',
];
const extensions = [';a', ';a=b', ';a="b"', '; a=b;c', ';'];
const oddExtensions = [';a=\n', ';\0', ';a="\r\n"', ' ;a', ';a\rb', `;${'x'.repeat(500)}`, ';a="\\\n"'];
const trailers = ['T: 1', 'Content-Length: 5', 'Transfer-Encoding: chunked', 'Host: b', 'X:', '__proto__: 1'];
const oddTrailers = [' T: 1', 'T : 1', 'T', ': 1', 'T: \0', 'T: a\nb', 'GET / HTTP/1.1'];
const bodies = [
  '',
  'a',
  'hello',
  '\r\n',
  '0\r\n\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
  '\0\xff\n',
  'x'.repeat(300),
];
const statusLines = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200 OK',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 200',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 500 \xe4',
];
const oddStatusLines = [
  'HTTP/1.1 100 Continue',
  'HTTP/1.1 103 Early',
  'HTTP/1.1 101 Switching',
  'HTTP/1.1 20 OK',
  'HTTP/1.1 2000 OK',
  'HTTP/1.1  200 OK',
  'HTTP/2 200 OK',
  'ICY 200 OK',
  'HTTP/1.1 200 O\0K',
  'HTTP/1.1 099 x',
];

/** One part in so many is a trick. */
const trickRarity = 12;

export class MessageGrammar {
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** Up to four requests one behind the other, now and then damaged. */
  requests(): string {
    let text = '';
    for (let i = 1 + this.#dice.below(4); i > 0; i--) text += this.#request();
    return this.#dice.once(3) ? mutate(text, 2, this.#dice) : text;
  }

  /** One response, sometimes with interim ones in front or bytes behind it. */
  response(): string {
    const dice = this.#dice;
    let text = '';
    while (dice.once(8))
      text += `${this.#part([`HTTP/1.1 ${dice.pick(['100', '102', '103'])} x`], oddStatusLines)}\r\n\r\n`;
    const [framing, body] = this.#framedBody();
    text += this.#head(this.#part(statusLines, oddStatusLines), framing === '' ? [] : [framing]) + body;
    if (dice.once(10)) text += dice.pick(bodies);
    return dice.once(3) ? mutate(text, 2, dice) : text;
  }

  #request(): string {
    const version = this.#part(['HTTP/1.1'], oddVersions);
    const startLine = `${this.#part(methods, oddMethods)} ${this.#part(targets, oddTargets)} ${version}`;
    const [framing, body] = this.#dice.once(3) ? ['', ''] : this.#framedBody();
    return this.#head(startLine, [this.#part(hosts, oddHosts), framing]) + body;
  }

  #head(startLine: string, lines: readonly string[]): string {
    const dice = this.#dice;
    const all = lines.filter((line) => line !== '');
    for (let i = dice.below(4); i > 0; i--) all.splice(dice.below(all.length + 1), 0, this.#part(extras, oddExtras));
    return [startLine, ...all, ''].map((line) => line + this.#lineEnd()).join('');
  }

  /** The header line that announces the body, and the body. */
  #framedBody(): readonly [framing: string, body: string] {
    const dice = this.#dice;
    const body = dice.pick(bodies);
    if (dice.once(trickRarity)) return [dice.pick(oddFramings), dice.once(2) ? this.#chunks(body) : body];
    if (dice.once(2)) {
      const zeros = dice.once(trickRarity) ? '00' : '';
      return [`${dice.pick(['Content-Length: ', 'content-length:'])}${zeros}${body.length}`, body];
    }
    return [
      dice.pick(['Transfer-Encoding: chunked', 'transfer-encoding:Chunked', 'Transfer-Encoding: chunked \t']),
      this.#chunks(body),
    ];
  }

  #chunks(body: string): string {
    const dice = this.#dice;
    let text = '';
    for (let at = 0; at < body.length;) {
      const size = Math.min(body.length - at, 1 + dice.below(20));
      text += this.#chunkLine(size) + body.slice(at, at + size) + this.#lineEnd();
      at += size;
    }
    text += this.#chunkLine(0);
    for (let i = dice.once(4) ? 2 : 0; i > 0; i--) text += this.#part(trailers, oddTrailers) + this.#lineEnd();
    return text + this.#lineEnd();
  }

  #chunkLine(size: number): string {
    const extension = this.#dice.once(6) ? this.#part(extensions, oddExtensions) : '';
    return this.#part(sizesOf, oddSizesOf)(size) + extension + this.#lineEnd();
  }

  #part<T>(good: readonly T[], odd: readonly T[]): T {
    return this.#dice.pick(this.#dice.once(3 * trickRarity) ? odd : good);
  }

  #lineEnd(): string {
    return this.#dice.once(8 * trickRarity) ? this.#dice.pick(lineEnds) : '\r\n';
  }
}
