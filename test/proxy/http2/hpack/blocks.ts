import { expect } from 'vitest';
import type { HeaderField } from '../../../../proxy/http2/header-field.ts';
import { HpackDecoder } from '../../../../proxy/http2/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../../../proxy/http2/hpack/hpack-encoder.ts';
import { SensitiveNames } from '../../../../proxy/http2/hpack/sensitive-names.ts';

/** With sensitive names of its own: the process's are shared with other tests. */
export function newDecoder(maxTableSizeBytes?: number): HpackDecoder {
  return new HpackDecoder(maxTableSizeBytes, new SensitiveNames());
}

export function newEncoder(): HpackEncoder {
  return new HpackEncoder(new SensitiveNames());
}

export type Field = readonly [name: string, value: string];

/** Bytes from hexadecimal text with spaces where they please. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replace(/\s/g, ''), 'hex');
}

/** The fields of `block`, which stands between other bytes; undefined when it is refused. */
export function decodeFields(decoder: HpackDecoder, block: Buffer): HeaderField[] | undefined {
  const fields: HeaderField[] = [];
  const bytes = Buffer.concat([Buffer.from([0x82]), block, Buffer.from([0x82])]);
  const isDecoded = decoder.decode(bytes, 1, bytes.length - 1, { onField: (field) => fields.push(field) });
  return isDecoded ? fields : undefined;
}

export function decodeBlock(decoder: HpackDecoder, block: Buffer): Field[] | undefined {
  return decodeFields(decoder, block)?.map(({ name, value }) => [name, value]);
}

/** What the decoder's dynamic table holds, the newest first, as references to it tell. */
export function tableOf(decoder: HpackDecoder): Field[] {
  const entries: Field[] = [];
  for (let index = 62; index < 127; index++) {
    const field = decodeBlock(decoder, Buffer.from([0x80 | index]))?.[0];
    if (field === undefined) return entries;
    entries.push(field);
  }
  return entries;
}

/** The dynamic table's size (RFC 7541 §4.1). */
export function sizeOf(entries: readonly Field[]): number {
  return entries.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
}

export function encodeBlock(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  let text = encoder.beginBlock();
  for (const [name, value] of fields) text += encoder.encode(name, value);
  return Buffer.from(text, 'latin1');
}

/** Encodes `fields` and checks that `decoder` reads the same. Returns the block. */
export function roundTrip(encoder: HpackEncoder, decoder: HpackDecoder, fields: readonly Field[]): Buffer {
  const block = encodeBlock(encoder, fields);
  expect(decodeBlock(decoder, block)).toEqual(fields);
  return block;
}
