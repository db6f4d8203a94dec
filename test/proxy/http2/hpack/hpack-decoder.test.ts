import { describe, expect, it } from 'vitest';
import { HeaderField } from '../../../../proxy/http2/header-field.ts';
import { HpackDecoder } from '../../../../proxy/http2/hpack/hpack-decoder.ts';
import { SensitiveNames } from '../../../../proxy/http2/hpack/sensitive-names.ts';
import { staticFields } from '../../../../proxy/http2/hpack/static-table.ts';
import { type Field, decodeBlock, decodeFields, hex, newDecoder, tableOf } from './blocks.ts';
import { encodeHuffman } from './huffman.ts';

function ascii(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

/** A literal that spells its name; its texts are shorter than 127 bytes. */
function literal(first: string, name: string, value: string): Buffer {
  return hex(`${first} ${lengthByte(name)} ${ascii(name)} ${lengthByte(value)} ${ascii(value)}`);
}

/** One with incremental indexing. */
function inserted(name: string, value: string): Buffer {
  return literal('40', name, value);
}

function lengthByte(text: string): string {
  return text.length.toString(16).padStart(2, '0');
}

/** A size update for less than 31 + 128 bytes. */
function sizeUpdate(sizeBytes: number): Buffer {
  return sizeBytes < 31 ? Buffer.from([0x20 | sizeBytes]) : Buffer.from([0x3f, sizeBytes - 31]);
}

describe('an indexed field', () => {
  it('of the static table is each of its 61 entries', () => {
    const block = Buffer.from(staticFields.map((_, i) => 0x80 | (i + 1)));
    expect(block).toHaveLength(61);
    expect(decodeFields(newDecoder(), block)).toEqual(staticFields);
  });

  it('hands out the very same object each time', () => {
    const decoder = newDecoder();
    expect(decodeFields(decoder, hex('82'))?.[0]).toBe(staticFields[1]);
    const [added] = decodeFields(decoder, inserted('x-a', 'b')) ?? [];
    expect(decodeFields(decoder, hex('be'))?.[0]).toBe(added);
    expect(decodeFields(decoder, hex('be'))?.[0]).toBe(added);
  });

  it.each([
    ['of index 0', '80'],
    ['behind an empty dynamic table', 'be'],
    ['far behind it', 'ff 80 80 80 01'],
  ])('%s is an error', (_, block) => {
    expect(decodeBlock(newDecoder(), hex(block))).toBeUndefined();
  });

  it('one behind the oldest entry is an error', () => {
    const decoder = newDecoder();
    decodeBlock(decoder, inserted('x-a', 'b'));
    expect(decodeBlock(decoder, hex('be'))).toEqual([['x-a', 'b']]);
    expect(decodeBlock(decoder, hex('bf'))).toBeUndefined();
  });
});

describe('a literal', () => {
  it.each([
    ['with indexing', '40'],
    ['without indexing', '00'],
    ['never indexed', '10'],
  ])('%s may spell its name, plain or Huffman-coded', (_, first) => {
    const name = encodeHuffman('x-name');
    const value = encodeHuffman('value');
    const plain = hex(`${first} 06 ${ascii('x-name')} 05 ${ascii('value')}`);
    const coded = hex(`${first} ${(0x80 | name.length).toString(16)} ${name.toString('hex')}
      ${(0x80 | value.length).toString(16)} ${value.toString('hex')}`);
    expect(decodeBlock(newDecoder(), plain)).toEqual([['x-name', 'value']]);
    expect(decodeBlock(newDecoder(), coded)).toEqual([['x-name', 'value']]);
  });

  it.each([
    ['with indexing', '5a', '7e'],
    ['without indexing', '0f0b', '0f2f'],
    ['never indexed', '1f0b', '1f2f'],
  ])('%s may take its name from either table', (_, fromStatic, fromDynamic) => {
    const decoder = newDecoder();
    decodeBlock(decoder, inserted('x-mine', '1'));
    expect(decodeBlock(decoder, hex(`${fromDynamic} 01 32`))).toEqual([['x-mine', '2']]);
    expect(decodeBlock(decoder, hex(`${fromStatic} 02 6272`))).toEqual([['content-encoding', 'br']]);
  });

  it.each([
    ['x-good', true],
    ['X-Bad', false],
  ])('that takes its name from a table is as valid as the name is (%s)', (name, isValid) => {
    const decoder = newDecoder();
    decodeBlock(decoder, inserted(name, 'a\r\nb'));
    const [field] = decodeFields(decoder, hex('7e 01 32')) ?? [];
    expect(field).toEqual(new HeaderField(name, '2'));
    expect(field?.isValid).toBe(isValid);
  });

  it('enters the table only with indexing', () => {
    const decoder = newDecoder();
    decodeBlock(decoder, hex('00 01 61 01 62  10 01 61 01 63'));
    expect(tableOf(decoder)).toEqual([]);
    decodeBlock(decoder, hex('40 01 61 01 64'));
    expect(tableOf(decoder)).toEqual([['a', 'd']]);
  });

  it('may be empty in name and value, for others to refuse', () => {
    const [field] = decodeFields(newDecoder(), hex('00 00 00')) ?? [];
    expect(field).toMatchObject({ name: '', value: '', isValid: false });
    expect(decodeBlock(newDecoder(), hex('00 80 80'))).toEqual([['', '']]);
  });

  it('has one character per byte', () => {
    expect(decodeBlock(newDecoder(), hex('00 01 61 04 c3a4 ff 80'))).toEqual([['a', 'Ã¤ÿ\x80']]);
  });

  it.each([
    ['with indexing', '7e 01 61'],
    ['without indexing', '0f2f 01 61'],
    ['never indexed', '1f2f 01 61'],
  ])('%s that takes its name from behind the tables is an error', (_, block) => {
    expect(decodeBlock(newDecoder(), hex(block))).toBeUndefined();
  });

  it('of which bytes are missing is an error, wherever it is cut', () => {
    for (const block of [inserted('x-name', 'value'), hex('0f0b 02 6272'), hex('5a 82 1c 7f'), hex('3f e1 1f')]) {
      expect(decodeBlock(newDecoder(), block), 'whole').toBeDefined();
      for (let length = 1; length < block.length; length++) {
        expect(decodeBlock(newDecoder(), block.subarray(0, length)), `${length} bytes`).toBeUndefined();
      }
    }
  });

  it.each([
    ['a name', '40 81 00 01 61'],
    ['a value', '40 01 61 81 00'],
    ['a name with the end of string', '40 84 ffff fffc 01 61'],
  ])('with %s that is no Huffman code is an error', (_, block) => {
    expect(decodeBlock(newDecoder(), hex(block))).toBeUndefined();
  });

  it('that is an error leaves what came before it with the sink', () => {
    const names: string[] = [];
    const isDecoded = newDecoder().decode(hex('82 84 80'), 0, 3, { onField: ({ name }) => names.push(name) });
    expect(isDecoded).toBe(false);
    expect(names).toEqual([':method', ':path']);
  });
});

describe('an integer', () => {
  it('may be as long as its value needs', () => {
    const value = 'x'.repeat(300);
    expect(decodeBlock(newDecoder(), hex(`00 01 61 7f ad 01 ${ascii(value)}`))).toEqual([['a', value]]);
  });

  it('may have zeros behind it, up to four bytes in all', () => {
    expect(decodeBlock(newDecoder(), hex('ff 00'))).toBeUndefined();
    const value = 'x'.repeat(127);
    expect(decodeBlock(newDecoder(), hex(`00 01 61 7f 80 80 80 00 ${ascii(value)}`))).toEqual([['a', value]]);
    expect(decodeBlock(newDecoder(), hex(`00 01 61 7f 80 80 80 80 00 ${ascii(value)}`))).toBeUndefined();
  });

  it.each([
    ['an index', 'ff ff ff ff ff 0f'],
    ['an index that is 62 in 32 bits', 'ff bf ff ff ff 0f'],
    ['an index without end', `ff ${'80'.repeat(50)}`],
    ['an index of a name', '7f ff ff ff ff 7f 01 61'],
    ['a length', '00 01 61 7f ff ff ff ff 07'],
    ['a length that is 0 in 32 bits', '00 01 61 7f 81 ff ff ff 0f'],
    ['a Huffman-coded length', '00 ff ff ff ff ff 07'],
    ['a size', '3f ff ff ff ff ff ff ff ff 01'],
  ])('that is too large for %s is an error', (_, block) => {
    expect(decodeBlock(newDecoder(), hex(block))).toBeUndefined();
  });

  it('as length ends within the block, whatever stands behind it', () => {
    const bytes = hex('00 01 61 05 62626262 62');
    const sink = { onField: (): void => {} };
    expect(newDecoder().decode(bytes, 0, bytes.length, sink)).toBe(true);
    expect(newDecoder().decode(bytes, 0, bytes.length - 1, sink)).toBe(false);
  });
});

describe('the dynamic table', () => {
  /** Each takes 34 bytes. */
  const field = (name: string): Field => [name, '1'];

  it('drops the oldest entries when a new one needs the room', () => {
    const decoder = newDecoder(3 * 34);
    for (const name of ['a', 'b', 'c']) decodeBlock(decoder, inserted(name, '1'));
    expect(tableOf(decoder)).toEqual([field('c'), field('b'), field('a')]);
    decodeBlock(decoder, inserted('d', '1'));
    expect(tableOf(decoder)).toEqual([field('d'), field('c'), field('b')]);
    decodeBlock(decoder, inserted('e', '12'));
    expect(tableOf(decoder)).toEqual([['e', '12'], field('d')]);
  });

  it('is emptied by an entry that is larger than it, which is a field all the same', () => {
    const decoder = newDecoder(40);
    decodeBlock(decoder, inserted('a', '1'));
    expect(decodeBlock(decoder, inserted('a', 'more than 40'))).toEqual([['a', 'more than 40']]);
    expect(tableOf(decoder)).toEqual([]);
    decodeBlock(decoder, inserted('b', '1'));
    expect(tableOf(decoder)).toEqual([field('b')]);
  });

  it('lends a name to the entry that pushes it out', () => {
    const decoder = newDecoder(40);
    decodeBlock(decoder, inserted('x-mine', '1'));
    expect(decodeBlock(decoder, hex('7e 01 32'))).toEqual([['x-mine', '2']]);
    expect(tableOf(decoder)).toEqual([['x-mine', '2']]);
  });

  it('holds up to 128 entries in 4096 bytes', () => {
    const decoder = newDecoder();
    // Without name and value an entry is of 32 bytes.
    for (let i = 0; i < 500; i++) expect(decodeBlock(decoder, hex('40 00 00'))).toEqual([['', '']]);
    expect(decodeBlock(decoder, hex('ff 3e'))).toEqual([['', '']]);
    expect(decodeBlock(decoder, hex('ff 3f'))).toBeUndefined();
  });

  it('keeps the order while it grows and turns', () => {
    const decoder = newDecoder(40 * 34);
    for (let i = 0; i < 1000; i++) {
      decodeBlock(decoder, inserted(String.fromCharCode(0x100 - (i % 200) - 1), '1'));
      const ages = tableOf(decoder).map(([name]) => 0x100 - name.charCodeAt(0) - 1);
      expect(ages).toEqual(Array.from({ length: Math.min(i + 1, 40) }, (_, age) => (i - age) % 200));
    }
  });
});

describe('a size update', () => {
  it('evicts at once', () => {
    const decoder = newDecoder();
    for (const name of ['a', 'b', 'c']) decodeBlock(decoder, inserted(name, '1'));
    expect(decodeBlock(decoder, sizeUpdate(70))).toEqual([]);
    expect(tableOf(decoder)).toEqual([
      ['c', '1'],
      ['b', '1'],
    ]);
    decodeBlock(decoder, sizeUpdate(0));
    expect(tableOf(decoder)).toEqual([]);
  });

  it('to zero and back is how a table is emptied', () => {
    const decoder = newDecoder();
    decodeBlock(decoder, inserted('a', '1'));
    expect(decodeBlock(decoder, Buffer.concat([sizeUpdate(0), sizeUpdate(100), hex('82')]))).toEqual([
      [':method', 'GET'],
    ]);
    expect(tableOf(decoder)).toEqual([]);
    decodeBlock(decoder, Buffer.concat([inserted('b', '1'), inserted('c', '1'), inserted('d', '1')]));
    expect(tableOf(decoder)).toEqual([
      ['d', '1'],
      ['c', '1'],
    ]);
  });

  it('may go up to what we allow and not beyond', () => {
    expect(decodeBlock(newDecoder(), hex('3f e1 1f'))).toEqual([]);
    expect(decodeBlock(newDecoder(), hex('3f e2 1f'))).toBeUndefined();
    expect(decodeBlock(newDecoder(100), sizeUpdate(100))).toEqual([]);
    expect(decodeBlock(newDecoder(100), sizeUpdate(101))).toBeUndefined();
    expect(decodeBlock(newDecoder(0), sizeUpdate(0))).toEqual([]);
    expect(decodeBlock(newDecoder(0), sizeUpdate(1))).toBeUndefined();
  });

  it('is what a table beyond the default size begins with', () => {
    const decoder = newDecoder(65_536);
    const insert = (): Field[] | undefined => decodeBlock(decoder, hex('40 00 00'));
    for (let i = 0; i < 200; i++) insert();
    expect(decodeBlock(decoder, hex('ff 3f'))).toBeUndefined();
    expect(decodeBlock(decoder, hex('3f e1 ff 03'))).toEqual([]);
    for (let i = 0; i < 200; i++) insert();
    expect(decodeBlock(decoder, hex('ff 3f'))).toEqual([['', '']]);
  });

  it.each([
    ['a field', '82 20'],
    ['a literal', '00 00 00 20'],
    ['an update and a field', '20 82 20'],
  ])('behind %s is an error', (_, block) => {
    expect(decodeBlock(newDecoder(), hex(block))).toBeUndefined();
  });
});

describe('the name of a field that must never be indexed', () => {
  /** The names that are sensitive after `block`. */
  function namesAfter(block: Buffer): SensitiveNames {
    const names = new SensitiveNames();
    expect(decodeBlock(new HpackDecoder(undefined, names), block)).toHaveLength(1);
    return names;
  }

  it('is remembered for when it is forwarded', () => {
    expect(namesAfter(literal('10', 'x-token', 'secret')).has('x-token')).toBe(true);
    expect(namesAfter(hex('1f0b 01 61')).has('content-encoding')).toBe(true);
  });

  it.each([
    ['X-Upper', 'secret'],
    ['x-lines', 'a\r\nb'],
  ])('is not remembered when no message can carry the field %j: %j', (name, value) => {
    expect(namesAfter(literal('10', name, value)).has(name)).toBe(false);
  });

  it.each(['00', '40'])('is none that came in another representation (%s)', (first) => {
    expect(namesAfter(literal(first, 'x-other', 'value')).has('x-other')).toBe(false);
  });
});

it('an empty block is a block', () => {
  expect(decodeBlock(newDecoder(), Buffer.alloc(0))).toEqual([]);
});
