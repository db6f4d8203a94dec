/** Messages that are nearly right: those of the corpus, joined and damaged at random, the same for the same seed. */

import type { Dice } from './dice.ts';

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

type Mutation = (text: string, dice: Dice) => string;

const mutations: readonly Mutation[] = [
  // A fragment somewhere.
  (text, dice) => splice(text, dice.below(text.length + 1), 0, dice.pick(fragments)),
  (text, dice) => splice(text, dice.below(text.length + 1), 0, dice.pick(fragments)),
  // A fragment at the end of a line.
  (text, dice) => splice(text, lineEnd(text, dice), 0, dice.pick(fragments)),
  (text, dice) => splice(text, lineEnd(text, dice) + 2, 0, dice.pick(fragments)),
  // A fragment instead of something.
  (text, dice) => splice(text, dice.below(text.length), 1 + dice.below(4), dice.pick(fragments)),
  // Any byte instead of another.
  (text, dice) => splice(text, dice.below(text.length), 1, String.fromCharCode(dice.below(256))),
  // One bit the other way.
  (text, dice) => {
    const at = dice.below(text.length);
    return splice(text, at, 1, String.fromCharCode((text.charCodeAt(at) ^ (1 << dice.below(8))) & 255));
  },
  // Something missing.
  (text, dice) => splice(text, dice.below(text.length), 1 + dice.below(8), ''),
  // Something twice.
  (text, dice) => {
    const at = dice.below(text.length);
    return splice(text, at, 0, text.slice(at, at + 1 + dice.below(40)));
  },
  // A line that ends otherwise.
  (text, dice) => splice(text, lineEnd(text, dice), 2, dice.pick(['\n', '\r', '\r\r\n', '\n\r', ' \r\n', '\0\r\n'])),
  // Another case.
  (text, dice) => {
    const at = dice.below(text.length);
    return splice(
      text,
      at,
      1,
      text.charAt(at) === text.charAt(at).toLowerCase() ? text.charAt(at).toUpperCase() : text.charAt(at).toLowerCase(),
    );
  },
  // Another number.
  (text, dice) =>
    text.replace(/\d+(?=\r\n)/, () =>
      dice.pick(['0', '1', '+1', '-1', '00005', '5 ', '1e1', '2147483648', '18446744073709551617']),
    ),
  // Not all of it.
  (text, dice) => text.slice(0, dice.below(text.length + 1)),
];

/** Up to `maxMutations` of them, one after the other. */
export function mutate(text: string, maxMutations: number, dice: Dice): string {
  let mutated = text;
  for (let i = dice.below(maxMutations + 1); i > 0 && mutated !== ''; i--)
    mutated = dice.pick(mutations)(mutated, dice);
  return mutated;
}

/** Up to three messages of a corpus, joined and damaged. */
export function mutatedCorpus(seeds: readonly string[], dice: Dice): string {
  let text = '';
  for (let i = 1 + dice.below(3); i > 0; i--) text += dice.pick(seeds);
  return mutate(text, 3, dice);
}

/** Where one of the lines ends. */
function lineEnd(text: string, dice: Dice): number {
  const found = text.indexOf('\r\n', dice.below(text.length));
  return found < 0 ? text.length : found;
}

function splice(text: string, at: number, removed: number, inserted: string): string {
  return text.slice(0, at) + inserted + text.slice(at + removed);
}
