/** Header blocks that cannot be read, and what readers often do not read: RFC 7541, RFC 9113 §4.3. */
import { Code, Flag, Setting, continuation, data, headers, rstStream, settings } from '../../support/http2/frames.ts';
import { endOfString, writeHuffman } from '../../support/http2/hpack-huffman.ts';
import {
  block,
  indexed,
  indexedLiteral,
  literal,
  tableSizeUpdate,
  writeInteger,
  writeString,
} from '../../support/http2/hpack-writer.ts';
import {
  type ServerCase,
  concat,
  connectionError,
  get,
  post,
  requestFields,
  served,
  serverCase,
} from './server-case.ts';

const endsBoth = Flag.endHeaders | Flag.endStream;
const request = block(requestFields('GET', '/1'));
const bad = block(requestFields('GET', '/bad'));
const heldFields = block(requestFields('POST', '/held'));
const one = { upstream: ['GET /1'] };

/** A head whose fields are followed by `rest`. */
function withRest(rest: Buffer, fields = request): Buffer {
  return headers(1, concat(fields, rest), endsBoth);
}

/** A string that claims to be in Huffman coding. */
function huffman(bytes: Buffer): Buffer {
  return concat(writeInteger(bytes.length, 7, 0x80), bytes);
}

function huffmanValue(bytes: Buffer): Buffer {
  return concat(Buffer.from([0]), writeString('x'), huffman(bytes));
}

const unreadable: readonly (readonly [title: string, rest: Buffer])[] = [
  ['§2.3.3 | index 0', indexed(0)],
  ['§2.3.3 | an index behind an empty dynamic table', indexed(62)],
  ['§2.3.3 | an index far behind everything', indexed(1_000_000)],
  ['§2.3.3 | a literal whose name has an index behind everything', concat(writeInteger(62, 6, 0x40), writeString('x'))],
  [
    '§2.3.3 | a literal without indexing whose name has an index behind everything',
    concat(writeInteger(99, 4), writeString('x')),
  ],
  ['§4.2, §6.3 | a table larger than the announced one', concat(tableSizeUpdate(2 ** 31), indexed(2))],
  ['§4.2 | a change of the table behind the fields', tableSizeUpdate(0)],
  ['§5.1 | an integer that does not end', concat(Buffer.from([0xff]), Buffer.alloc(40, 0x80), Buffer.from([1]))],
  [
    '§5.1 | an integer that does not fit',
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
  ],
  ['§5.1 | an integer that is cut off', Buffer.from([0xff, 0x80])],
  ['§5.2 | a name that is longer than the block', concat(Buffer.from([0]), writeInteger(50, 7), Buffer.from('x'))],
  [
    '§5.2 | a value that is longer than the block',
    concat(Buffer.from([0]), writeString('x'), writeInteger(2, 7), Buffer.from('x')),
  ],
  [
    '§5.2 | a value of 2^32 bytes',
    concat(Buffer.from([0]), writeString('x'), writeInteger(2 ** 32, 7), Buffer.from('x')),
  ],
  ['§5.2 | a literal without value', concat(Buffer.from([0]), writeString('x'))],
  ['§5.2 | a literal without name', Buffer.from([0])],
  ['§5.2 | Huffman coding with padding of zeros', huffmanValue(Buffer.from([0b00011000]))],
  [
    '§5.2 | Huffman coding with padding of eight bits',
    huffmanValue(concat(writeHuffman('00000000'), Buffer.from([0xff]))),
  ],
  ['§5.2 | Huffman coding that is all padding', huffmanValue(Buffer.from([0xff]))],
  ['§5.2 | Huffman coding with EOS', huffmanValue(writeHuffman([48, endOfString, 48]))],
  ['§5.2 | Huffman coding that ends within a symbol', huffmanValue(Buffer.from([0xff, 0xff, 0xff]))],
];

export const unreadableCases: readonly ServerCase[] = [
  ...unreadable.map(([title, rest]) =>
    serverCase(`RFC 7541 ${title}`, withRest(rest, bad), connectionError(Code.compressionError)),
  ),
  serverCase(
    'RFC 7541 §4.2 | a change of the table in trailers, behind a field',
    concat(post(1, '/held'), headers(1, concat(literal(['x', '1']), tableSizeUpdate(0)), endsBoth)),
    connectionError(Code.compressionError),
  ),
  serverCase(
    'RFC 9113 §4.3 | trailers that cannot be read',
    concat(post(1, '/held'), data(1, 'a'), headers(1, indexed(0), endsBoth)),
    connectionError(Code.compressionError),
  ),
  serverCase(
    'RFC 9113 §4.3 | a header block that cannot be read on a stream that was reset',
    concat(post(1, '/held'), rstStream(1, Code.cancel), headers(1, indexed(0), endsBoth)),
    connectionError(Code.compressionError, Code.streamClosed, Code.protocolError),
  ),
];

const entry = indexedLiteral(['x-entry', 'kept']);

export const readableCases: readonly ServerCase[] = [
  serverCase('RFC 7541 §5.2 | Huffman coding', withRest(huffmanValue(writeHuffman('Hello, World!'))), served(1), one),
  serverCase(
    'RFC 7541 §5.2 | an empty string in Huffman coding',
    withRest(huffmanValue(Buffer.alloc(0))),
    served(1),
    one,
  ),
  serverCase(
    'RFC 7541 §5.2 | Huffman coding of every character of a value',
    withRest(
      huffmanValue(
        writeHuffman([
          ...Array.from({ length: 94 }, (_, i) => 33 + i),
          ...Array.from({ length: 128 }, (_, i) => 128 + i),
        ]),
      ),
    ),
    served(1),
    one,
  ),
  serverCase(
    'RFC 7541 §5.2 | names in Huffman coding',
    headers(
      1,
      concat(
        ...requestFields('GET', '/1').map(([name, value]) =>
          concat(Buffer.from([0x10]), huffman(writeHuffman(name)), huffman(writeHuffman(value))),
        ),
      ),
      endsBoth,
    ),
    served(1),
    one,
  ),
  serverCase(
    'RFC 7541 §6.1 | fields of the static table',
    headers(1, concat(indexed(2), indexed(6), indexed(4), literal([':authority', 'a'])), endsBoth),
    served(1),
    {
      upstream: ['GET /'],
    },
  ),
  serverCase(
    'RFC 7541 §4.2 | two changes of the table at the beginning',
    headers(1, concat(tableSizeUpdate(0), tableSizeUpdate(4_096), request), endsBoth),
    served(1),
    one,
  ),
  serverCase(
    'RFC 7541 §4.4 | an entry that is larger than the table empties it',
    concat(
      headers(1, concat(tableSizeUpdate(64), request, entry, indexedLiteral(['x', 'y'.repeat(99)])), endsBoth),
      headers(3, concat(bad, indexed(62)), endsBoth),
    ),
    connectionError(Code.compressionError),
    one,
  ),
  serverCase(
    'RFC 7541 §5.1 | an integer in more bytes than it needs',
    withRest(
      concat(
        Buffer.from([0]),
        Buffer.from([0x01]),
        Buffer.from('x'),
        Buffer.from([0x7f, 0x80, 0x80, 0x00]),
        Buffer.alloc(127, 'y'),
      ),
    ),
    served(1),
    one,
  ),
];

/** The dynamic table belongs to the connection: what a block adds to it is there for the next one, whatever became of it. */
export const tableCases: readonly ServerCase[] = [
  ...(
    [
      ['a malformed request', headers(1, concat(bad, entry, literal(['X', '1'])), endsBoth), [3], []],
      [
        'a request that its client has reset',
        concat(headers(1, concat(heldFields, entry)), rstStream(1, Code.cancel)),
        [3],
        [],
      ],
      [
        'trailers of a stream that was reset as malformed',
        concat(post(1, '/bad', ['X', '1']), headers(1, entry, endsBoth)),
        [3],
        [],
      ],
      ['trailers', concat(post(1, '/1'), headers(1, entry, endsBoth)), [1, 3], ['POST /1']],
      ['a request in pieces', concat(headers(1, request, Flag.endStream), continuation(1, entry)), [1, 3], ['GET /1']],
    ] as const
  ).map(([what, bytes, streamIds, upstream]) =>
    serverCase(
      `RFC 9113 §4.3 | a field that was indexed by ${what}`,
      concat(bytes, headers(3, concat(request, indexed(62)), endsBoth)),
      served(...streamIds),
      { upstream: [...upstream, 'GET /1'] },
    ),
  ),
  serverCase(
    'RFC 7541 §4.2 | a request after the client has changed the table of responses',
    concat(
      settings([Setting.headerTableSize, 0]),
      get(1, '/1'),
      settings([Setting.headerTableSize, 100]),
      get(3, '/1'),
    ),
    served(1, 3),
    { upstream: ['GET /1', 'GET /1'] },
  ),
];
