/**
 * Representations as the encoder writes them (RFC 7541 §5, §6): latin1 text, one character per byte. What is short and
 * frequent exists once, made when the process starts.
 *
 * Texts are sent as they are. Huffman coding would save a quarter of the few bytes that are not indexed anyway, and costs
 * more time per byte than a local network takes to carry it.
 */
import { fieldOverheadBytes } from '../header-field.ts';
import { defaultTableSizeBytes } from './dynamic-table.ts';
import { firstDynamicIndex } from './static-table.ts';

/** The dynamic table's largest size that is used, whatever the peer offers: more memory per connection hardly pays. */
export const maxEncoderTableBytes = defaultTableSizeBytes;

/** As many entries as there can be. */
export const maxEntries = maxEncoderTableBytes / fieldOverheadBytes;

const indexCount = firstDynamicIndex + maxEntries;

/** The field at each index. */
export const indexedTexts: readonly string[] = textsOf(indexCount, 0x80, 0x7f);

/** How literals begin whose name stands at each index; with the one at zero the name itself follows. */
export const incrementalTexts: readonly string[] = textsOf(indexCount, 0x40, 0x3f);
export const unindexedTexts: readonly string[] = textsOf(indexCount, 0x00, 0x0f);
export const neverIndexedTexts: readonly string[] = textsOf(indexCount, 0x10, 0x0f);

const lengthTexts = textsOf(256, 0x00, 0x7f);

export function literalText(text: string): string {
  return (lengthTexts[text.length] ?? integerText(text.length, 0x00, 0x7f)) + text;
}

export function sizeUpdateText(sizeBytes: number): string {
  return integerText(sizeBytes, 0x20, 0x1f);
}

function textsOf(count: number, flags: number, prefixMask: number): string[] {
  return Array.from({ length: count }, (_, value) => integerText(value, flags, prefixMask));
}

/** An integer in the bits of `prefixMask`, and what does not fit in them in bytes of seven bits, the lowest first (§5.1). */
function integerText(value: number, flags: number, prefixMask: number): string {
  if (value < prefixMask) return String.fromCharCode(flags | value);
  let text = String.fromCharCode(flags | prefixMask);
  let rest = value - prefixMask;
  for (; rest >= 0x80; rest >>>= 7) text += String.fromCharCode((rest & 0x7f) | 0x80);
  return text + String.fromCharCode(rest);
}
