/**
 * Header blocks that a test writes (RFC 7541), byte by byte where it wants to: literals without indexing, without Huffman
 * coding. Shares nothing with the codec.
 */

/** latin1: one character per byte. */
export type Field = readonly [name: string, value: string];

/** An integer with a prefix of `prefixBits`; `first`: the bits in front of it (§5.1). */
export function writeInteger(value: number, prefixBits: number, first = 0): Buffer {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.from([first | value]);
  const bytes = [first | limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

export function writeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([writeInteger(bytes.length, 7), bytes]);
}

/** A literal of which the table learns nothing (§6.2.2). */
export function literal([name, value]: Field): Buffer {
  return Buffer.concat([Buffer.from([0]), writeString(name), writeString(value)]);
}

/** A literal that becomes the first entry of the dynamic table (§6.2.1). */
export function indexedLiteral([name, value]: Field): Buffer {
  return Buffer.concat([Buffer.from([0x40]), writeString(name), writeString(value)]);
}

/** A field of the table: 1 to 61 static, 62 and up dynamic (§6.1). */
export function indexed(index: number): Buffer {
  return writeInteger(index, 7, 0x80);
}

/** §6.3. */
export function tableSizeUpdate(bytes: number): Buffer {
  return writeInteger(bytes, 5, 0x20);
}

export function block(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(literal));
}
