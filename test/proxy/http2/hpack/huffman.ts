import { codeLengths, codes, endOfString } from '../../../../proxy/http2/hpack/huffman-code.ts';

/** The code of each symbol as ones and zeros. */
export function bitsOf(symbol: number): string {
  return (codes[symbol] ?? 0).toString(2).padStart(codeLengths[symbol] ?? 0, '0');
}

/** Bits as bytes, filled up with the beginning of the end of string, as RFC 7541 §5.2 has it. */
export function packBits(bits: string, padding = bitsOf(endOfString)): Buffer {
  const missing = (8 - (bits.length % 8)) % 8;
  const filled = bits + padding.slice(0, missing);
  return Buffer.from(filled.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

export function huffmanBits(text: string): string {
  let bits = '';
  for (const byte of Buffer.from(text, 'latin1')) bits += bitsOf(byte);
  return bits;
}

/** The encoder that the proxy does without. */
export function encodeHuffman(text: string): Buffer {
  return packBits(huffmanBits(text));
}
