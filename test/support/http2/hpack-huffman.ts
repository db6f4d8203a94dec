/**
 * The Huffman code of RFC 7541, Appendix B. It is canonical: codes of one length are consecutive in the order of their
 * symbols, and follow those of the next shorter length. So the lengths say everything.
 */

/** Symbols by the length of their code; a string stands for its characters, a pair for a range. */
const symbolsByLength: Readonly<Record<number, readonly (number | string | readonly [number, number])[]>> = {
  5: ['012aceiost'],
  6: [' %-./3456789=A_bdfghlmnpru'],
  7: [':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  8: ['&*,;XZ'],
  10: ['!"()?'],
  11: ["'+|"],
  12: ['#>'],
  13: [0, '$@[]~'],
  14: ['^}'],
  15: ['<`{'],
  19: ['\\', 195, 208],
  20: [128, 130, 131, 162, 184, 194, 224, 226],
  21: [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230],
  22: [
    129,
    [132, 134],
    136,
    146,
    154,
    156,
    160,
    163,
    164,
    169,
    170,
    173,
    178,
    181,
    [185, 187],
    189,
    190,
    196,
    198,
    228,
    232,
    233,
  ],
  23: [
    1,
    135,
    [137, 141],
    143,
    147,
    [149, 152],
    155,
    157,
    158,
    165,
    166,
    168,
    174,
    175,
    180,
    182,
    183,
    188,
    191,
    197,
    231,
    239,
  ],
  24: [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237],
  25: [199, 207, 234, 235],
  26: [192, 193, [200, 202], 205, 210, 213, 218, 219, 238, 240, 242, 243, 255],
  27: [203, 204, 211, 212, 214, [221, 223], 241, [244, 248], [250, 254]],
  28: [[2, 8], 11, 12, [14, 21], [23, 31], 127, 220, 249],
  30: [10, 13, 22, 256],
};

export const endOfString = 256;

export interface HuffmanCode {
  readonly code: number;
  readonly bits: number;
}

/** By symbol; the last one is EOS. */
export const huffmanCodes: readonly HuffmanCode[] = assignCodes();

const symbolByCode = new Map(huffmanCodes.map(({ code, bits }, symbol) => [keyOf(code, bits), symbol]));

function keyOf(code: number, bits: number): number {
  return bits * 2 ** 31 + code;
}

function assignCodes(): HuffmanCode[] {
  const codes: HuffmanCode[] = [];
  let code = 0;
  for (let bits = 5; bits <= 30; bits++, code *= 2) {
    for (const symbol of symbolsOf(bits)) codes[symbol] = { code: code++, bits };
  }
  return codes;
}

function symbolsOf(bits: number): number[] {
  const symbols = (symbolsByLength[bits] ?? []).flatMap((each) => {
    if (typeof each === 'number') return [each];
    if (typeof each === 'string') return [...Buffer.from(each, 'latin1')];
    const [first, last] = each;
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return symbols.sort((a, b) => a - b);
}

/** Throws where §5.2 asks for a decoding error. */
export function readHuffman(bytes: Buffer): string {
  let text = '';
  let code = 0;
  let bits = 0;
  for (let at = 0; at < bytes.length * 8; at++) {
    code = code * 2 + (((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    bits += 1;
    const symbol = symbolByCode.get(keyOf(code, bits));
    if (symbol === undefined && bits < 30) continue;
    if (symbol === undefined || symbol === endOfString) throw new Error('no symbol of the Huffman code');
    text += String.fromCharCode(symbol);
    code = 0;
    bits = 0;
  }
  if (bits > 7 || code !== 2 ** bits - 1)
    throw new Error('the padding of a Huffman string is not the beginning of EOS');
  return text;
}

/** `symbols` may hold EOS; the rest of the last byte is filled with ones. */
export function writeHuffman(symbols: readonly number[] | string): Buffer {
  const numbers = typeof symbols === 'string' ? [...Buffer.from(symbols, 'latin1')] : symbols;
  const digits = numbers.map((symbol) => {
    const { code, bits } = huffmanCodes[symbol] ?? { code: 0, bits: 0 };
    return code.toString(2).padStart(bits, '0');
  });
  const text = digits.join('');
  const whole = text.padEnd(Math.ceil(text.length / 8) * 8, '1');
  return Buffer.from((whole.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}
