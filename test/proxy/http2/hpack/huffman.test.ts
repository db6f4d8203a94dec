import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../proxy/common/seeded-random.ts';
import { codeLengths, endOfString } from '../../../../proxy/http2/hpack/huffman-code.ts';
import { decodeHuffman } from '../../../../proxy/http2/hpack/huffman-decoder.ts';
import { bitsOf, encodeHuffman, huffmanBits, packBits } from './huffman.ts';

/** Decodes `bytes` where they stand between others. */
function decode(bytes: Buffer): string | undefined {
  const around = Buffer.concat([Buffer.from([0]), bytes, Buffer.from([0])]);
  return decodeHuffman(around, 1, around.length - 1);
}

describe('the code', () => {
  it('is complete: every sequence of bits begins with exactly one of its codes', () => {
    expect(codeLengths).toHaveLength(257);
    expect(codeLengths.reduce((sum, length) => sum + 2 ** -length, 0)).toBe(1);
  });

  // Some of RFC 7541 appendix B, of each length the first and the last.
  it.each([
    [48, '00000'],
    [116, '01001'],
    [32, '010100'],
    [117, '101101'],
    [58, '1011100'],
    [122, '1111011'],
    [38, '11111000'],
    [90, '11111101'],
    [33, '1111111000'],
    [63, '1111111100'],
    [39, '11111111010'],
    [124, '11111111100'],
    [35, '111111111010'],
    [62, '111111111011'],
    [0, '1111111111000'],
    [126, '1111111111101'],
    [94, '11111111111100'],
    [125, '11111111111101'],
    [60, '111111111111100'],
    [123, '111111111111110'],
    [92, '1111111111111110000'],
    [208, '1111111111111110010'],
    [128, '11111111111111100110'],
    [153, '111111111111111011100'],
    [129, '1111111111111111010010'],
    [1, '11111111111111111011000'],
    [9, '111111111111111111101010'],
    [199, '1111111111111111111101100'],
    [192, '11111111111111111111100000'],
    [255, '11111111111111111111101110'],
    [203, '111111111111111111111011110'],
    [254, '111111111111111111111110000'],
    [2, '1111111111111111111111100010'],
    [249, '1111111111111111111111111110'],
    [10, '111111111111111111111111111100'],
    [22, '111111111111111111111111111110'],
    [endOfString, '111111111111111111111111111111'],
  ])('of symbol %i is %s', (symbol, bits) => {
    expect(bitsOf(symbol)).toBe(bits);
  });
});

describe('a text', () => {
  it('of each byte is read', () => {
    for (let byte = 0; byte < 256; byte++) {
      const char = String.fromCharCode(byte);
      expect(decode(encodeHuffman(char)), `byte ${byte}`).toBe(char);
      expect(decode(encodeHuffman(`a${char}b${char}`)), `byte ${byte} between others`).toBe(`a${char}b${char}`);
    }
  });

  it('at random is read', () => {
    const random = seededRandom(1);
    for (let i = 0; i < 5000; i++) {
      const length = Math.floor(random() * 60);
      const text = Array.from({ length }, () => String.fromCharCode(Math.floor(random() * 256))).join('');
      expect(decode(encodeHuffman(text))).toBe(text);
    }
  });

  it('that is longer than most is read, and so is the next one', () => {
    const text = 'e0'.repeat(50_000);
    expect(decode(encodeHuffman(text))).toBe(text);
    expect(decode(encodeHuffman('next'))).toBe('next');
  });
});

describe('padding', () => {
  const texts = ['a', 'ab', 'abc', 'abb', 'aab', 'bbb', 'aaaa', ':', ':a', '::', ':::', '&', 'aaaaaaaa', 'a:b', '::a'];

  it('may be of up to seven bits', () => {
    for (let bits = 0; bits <= 7; bits++) {
      const text = texts.find((text) => (8 - (huffmanBits(text).length % 8)) % 8 === bits);
      expect(decode(encodeHuffman(text ?? '?')), `${bits} bits`).toBe(text);
    }
  });

  it('of eight bits and more is an error', () => {
    expect(decode(Buffer.from([0xff]))).toBeUndefined();
    for (const text of texts) {
      expect(decode(Buffer.concat([encodeHuffman(text), Buffer.from([0xff])])), text).toBeUndefined();
    }
  });

  it('that is not of ones is an error', () => {
    for (const text of texts.filter((text) => huffmanBits(text).length % 8 !== 0)) {
      expect(decode(packBits(huffmanBits(text), '0000000')), text).not.toBe(text);
    }
    // One bit is wrong: "a" is 00011, and what follows completes nothing.
    expect(decode(Buffer.from([0b00011_110]))).toBeUndefined();
    expect(decode(Buffer.from([0b00011_011]))).toBeUndefined();
    expect(decode(Buffer.from([0b00011_111]))).toBe('a');
  });
});

it('the end of string inside of a text is an error, wherever it stands', () => {
  for (const before of ['', 'a', 'aa', 'aaa', 'ab', ':', '&&']) {
    const bits = huffmanBits(before) + bitsOf(endOfString);
    expect(decode(packBits(bits)), before).toBeUndefined();
    expect(decode(packBits(bits + huffmanBits('a'))), before).toBeUndefined();
  }
});
