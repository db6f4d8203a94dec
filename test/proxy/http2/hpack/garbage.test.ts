import { expect, it } from 'vitest';
import { seededRandom } from '../../../../proxy/common/seeded-random.ts';
import type { HeaderField } from '../../../../proxy/http2/header-field.ts';
import type { HpackDecoder } from '../../../../proxy/http2/hpack/hpack-decoder.ts';
import { encodeBlock, newDecoder, newEncoder } from './blocks.ts';
import { RandomFields } from './random-fields.ts';

/** Counts what comes. */
class Sink {
  count = 0;
  onField(field: HeaderField): void {
    if (field.line.length > 0) this.count++;
  }
}

/** Decodes `block` where other bytes follow that must not be read. Whether it was one. */
function isDecodedBy(decoder: HpackDecoder, block: Buffer): boolean {
  const bytes = Buffer.concat([block, Buffer.alloc(20, 0x82)]);
  const sink = new Sink();
  const isDecoded = decoder.decode(bytes, 0, block.length, sink);
  if (sink.count > block.length) throw new Error(`${sink.count} fields of ${block.toString('hex')}`);
  return isDecoded;
}

it('100,000 blocks of garbage are read or refused, and no block has more fields than bytes', () => {
  const random = seededRandom(11);
  let decoder = newDecoder();
  let decoded = 0;
  for (let i = 0; i < 100_000; i++) {
    const block = Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)));
    if (isDecodedBy(decoder, block)) decoded++;
    else if (random() < 0.1) decoder = newDecoder(Math.floor(random() * 10_000));
  }
  expect(decoded).toBeGreaterThan(1000);
  expect(decoded).toBeLessThan(50_000);
});

it('well-formed blocks with bytes changed, dropped and added are read or refused', () => {
  const random = seededRandom(12);
  const messages = new RandomFields(random);
  for (let connection = 0; connection < 500; connection++) {
    const encoder = newEncoder();
    const decoder = newDecoder();
    for (let i = 0; i < 20; i++) {
      const block = encodeBlock(encoder, [...messages.pseudo(), ...messages.list()]);
      const at = Math.floor(random() * block.length);
      const middle = Buffer.from(Array.from({ length: Math.floor(random() * 3) }, () => Math.floor(random() * 256)));
      const rest = block.subarray(at + Math.floor(random() * 3));
      if (!isDecodedBy(decoder, Buffer.concat([block.subarray(0, at), middle, rest]))) break;
    }
  }
});
