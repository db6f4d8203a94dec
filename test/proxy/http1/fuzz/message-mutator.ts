/** Messages that are nearly right: those of the corpus, joined and damaged at random, the same for the same seed. */

/** What parsers disagree about. */
const fragments = [
  '\r\n', '\n', '\r', '\0', '\t', ' ', '\x0b', '\x0c', '\x7f', '\x80', '\xa0', '\xff', ':', ';', ',', '/', '#', '?', '%00', '"',
  '\r\n\r\n', '\n\n', '\r\r\n', '\r\n ', '\r\n\t', ' :', ': ',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', ' HTTP/1.1\r\n', 'http://a', 'http://b/',
  'Host: a\r\n', 'Host: b\r\n', 'Content-Length: 0\r\n', 'Content-Length: 5\r\n', 'content-length:3\r\n', 'Content-Length: 1,1\r\n',
  'Transfer-Encoding: chunked\r\n', 'transfer-encoding:\tchunked \r\n', 'Transfer-Encoding: gzip\r\n', 'Transfer_Encoding: chunked\r\n',
  'Connection: close\r\n', 'Connection: content-length\r\n', 'Connection: transfer-encoding, host\r\n', 'Expect: 100-continue\r\n',
  'Upgrade: websocket\r\nConnection: upgrade\r\n', 'TE: trailers\r\n', 'Trailer: x\r\n', '__proto__: 1\r\n',
  '0\r\n\r\n', '1\r\nx\r\n', '00\r\n', '0x1\r\n', '-1\r\n', 'ffffffffffffffff\r\n', '5;a=b\r\nhello\r\n', '0;\r\n\r\n', '0\r\nX: y\r\n\r\n',
] as const; // prettier-ignore

type Mutation = (text: string, mutator: MessageMutator) => string;

const mutations: readonly Mutation[] = [
  // A fragment somewhere.
  (text, mutator) => splice(text, mutator.below(text.length + 1), 0, mutator.pick(fragments)),
  (text, mutator) => splice(text, mutator.below(text.length + 1), 0, mutator.pick(fragments)),
  // A fragment at the end of a line.
  (text, mutator) => splice(text, mutator.lineEnd(text), 0, mutator.pick(fragments)),
  (text, mutator) => splice(text, mutator.lineEnd(text) + 2, 0, mutator.pick(fragments)),
  // A fragment instead of something.
  (text, mutator) => splice(text, mutator.below(text.length), 1 + mutator.below(4), mutator.pick(fragments)),
  // Any byte instead of another.
  (text, mutator) => splice(text, mutator.below(text.length), 1, String.fromCharCode(mutator.below(256))),
  // One bit the other way.
  (text, mutator) => {
    const at = mutator.below(text.length);
    return splice(text, at, 1, String.fromCharCode((text.charCodeAt(at) ^ (1 << mutator.below(8))) & 255));
  },
  // Something missing.
  (text, mutator) => splice(text, mutator.below(text.length), 1 + mutator.below(8), ''),
  // Something twice.
  (text, mutator) => {
    const at = mutator.below(text.length);
    return splice(text, at, 0, text.slice(at, at + 1 + mutator.below(40)));
  },
  // A line that ends otherwise.
  (text, mutator) =>
    splice(text, mutator.lineEnd(text), 2, mutator.pick(['\n', '\r', '\r\r\n', '\n\r', ' \r\n', '\0\r\n'])),
  // Another case.
  (text, mutator) => {
    const at = mutator.below(text.length);
    return splice(
      text,
      at,
      1,
      text.charAt(at) === text.charAt(at).toLowerCase() ? text.charAt(at).toUpperCase() : text.charAt(at).toLowerCase(),
    );
  },
  // Another number.
  (text, mutator) =>
    text.replace(/\d+(?=\r\n)/, () =>
      mutator.pick(['0', '1', '+1', '-1', '00005', '5 ', '1e1', '2147483648', '18446744073709551617']),
    ),
  // Not all of it.
  (text, mutator) => text.slice(0, mutator.below(text.length + 1)),
];

export class MessageMutator {
  readonly #random: () => number;
  readonly #seeds: readonly string[];

  /** `random`: uniform in [0, 1). */
  constructor(seeds: readonly string[], random: () => number) {
    this.#seeds = seeds;
    this.#random = random;
  }

  next(): string {
    let text = '';
    for (let i = 1 + this.below(3); i > 0; i--) text += this.pick(this.#seeds);
    for (let i = this.below(4); i > 0 && text !== ''; i--) text = this.pick(mutations)(text, this);
    return text;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('nothing to choose from');
    return value;
  }

  /** Where one of the lines ends. */
  lineEnd(text: string): number {
    const found = text.indexOf('\r\n', this.below(text.length));
    return found < 0 ? text.length : found;
  }
}

function splice(text: string, at: number, removed: number, inserted: string): string {
  return text.slice(0, at) + inserted + text.slice(at + removed);
}
