import { describe, expect, it } from 'vitest';
import type { HpackDecoder } from '../../../../proxy/http2/hpack/hpack-decoder.ts';
import { type Field, decodeBlock, hex, newDecoder, sizeOf, tableOf } from './blocks.ts';

interface Example {
  readonly block: string;
  readonly fields: readonly Field[];
  readonly table: readonly Field[];
  readonly sizeBytes: number;
}

/** Decodes the blocks one after the other, as on one connection. */
function check(decoder: HpackDecoder, examples: readonly Example[]): void {
  for (const { block, fields, table, sizeBytes } of examples) {
    expect(decodeBlock(decoder, hex(block))).toEqual(fields);
    expect(tableOf(decoder)).toEqual(table);
    expect(sizeOf(tableOf(decoder))).toBe(sizeBytes);
  }
}

describe('the single representations of RFC 7541 C.2 are read', () => {
  const customKey: Field = ['custom-key', 'custom-header'];
  it.each<[string, Example]>([
    [
      'a literal with indexing',
      {
        block: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        fields: [customKey],
        table: [customKey],
        sizeBytes: 55,
      },
    ],
    [
      'a literal without indexing',
      {
        block: '040c 2f73 616d 706c 652f 7061 7468',
        fields: [[':path', '/sample/path']],
        table: [],
        sizeBytes: 0,
      },
    ],
    [
      'a literal that is never indexed',
      {
        block: '1008 7061 7373 776f 7264 0673 6563 7265 74',
        fields: [['password', 'secret']],
        table: [],
        sizeBytes: 0,
      },
    ],
    ['an indexed field', { block: '82', fields: [[':method', 'GET']], table: [], sizeBytes: 0 }],
  ])('%s', (_, example) => check(newDecoder(), [example]));
});

const authority: Field = [':authority', 'www.example.com'];
const noCache: Field = ['cache-control', 'no-cache'];
const custom: Field = ['custom-key', 'custom-value'];

/** The three requests of C.3 and C.4, with the blocks given. */
function requests(first: string, second: string, third: string): Example[] {
  return [
    {
      block: first,
      fields: [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], authority],
      table: [authority],
      sizeBytes: 57,
    },
    {
      block: second,
      fields: [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], authority, noCache],
      table: [noCache, authority],
      sizeBytes: 110,
    },
    {
      block: third,
      fields: [[':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'], authority, custom],
      table: [custom, noCache, authority],
      sizeBytes: 164,
    },
  ];
}

it('the requests of RFC 7541 C.3 are read, which are not Huffman-coded', () => {
  check(
    newDecoder(),
    requests(
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ),
  );
});

it('the requests of RFC 7541 C.4 are read, which are Huffman-coded', () => {
  check(
    newDecoder(),
    requests(
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ),
  );
});

const cookie = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';

/** The three responses of C.5 and C.6, with a table of 256 bytes. */
function responses(first: string, second: string, third: string): Example[] {
  const isPrivate: Field = ['cache-control', 'private'];
  const date: Field = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
  const laterDate: Field = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'];
  const location: Field = ['location', 'https://www.example.com'];
  const gzip: Field = ['content-encoding', 'gzip'];
  const setCookie: Field = ['set-cookie', cookie];
  return [
    {
      block: first,
      fields: [[':status', '302'], isPrivate, date, location],
      table: [location, date, isPrivate, [':status', '302']],
      sizeBytes: 222,
    },
    {
      block: second,
      fields: [[':status', '307'], isPrivate, date, location],
      table: [[':status', '307'], location, date, isPrivate],
      sizeBytes: 222,
    },
    {
      block: third,
      fields: [[':status', '200'], isPrivate, laterDate, location, gzip, setCookie],
      table: [setCookie, gzip, laterDate],
      sizeBytes: 215,
    },
  ];
}

it('the responses of RFC 7541 C.5 are read, which evict and are not Huffman-coded', () => {
  check(
    newDecoder(256),
    responses(
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 54
       6e17 6874 7470 733a 2f2f 7777 772e 6578 616d 706c 652e 636f 6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
       7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
       3630 303b 2076 6572 7369 6f6e 3d31`,
    ),
  );
});

it('the responses of RFC 7541 C.6 are read, which evict and are Huffman-coded', () => {
  check(
    newDecoder(256),
    responses(
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
       8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
       dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ),
  );
});

it('the integers of RFC 7541 C.1 are read', () => {
  // As sizes of the table, which have a prefix of five bits: 10, then 1337.
  const decoder = newDecoder();
  expect(decodeBlock(decoder, hex('2a 3f9a0a 82'))).toEqual([[':method', 'GET']]);
  expect(decodeBlock(newDecoder(1337), hex('3f9a0a'))).toEqual([]);
  expect(decodeBlock(newDecoder(1336), hex('3f9a0a'))).toBeUndefined();
});
