/**
 * Heads and trailers as header blocks. What concerns one connection only was marked as removed when it came. Each encoded
 * field may change the encoder's table, so fields are encoded in the order in which they stand in the block.
 */
import { schemeOf } from '../http/forwarded-headers.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { type RequestHead, type ResponseHead } from '../http/message-head.ts';
import type { HpackEncoder } from './hpack/hpack-encoder.ts';
import type { TrailerFields } from './stream-flow.ts';

export function encodeRequest(encoder: HpackEncoder, head: RequestHead): string {
  const start =
    encoder.beginBlock() +
    encoder.encode(':method', head.method) +
    encoder.encode(':scheme', schemeOf(head)) +
    encoder.encode(':authority', head.authority) +
    encoder.encode(':path', head.path);
  const block = start + encodeFields(encoder, head.headers);
  return head.acceptsTrailers ? block + encoder.encode('te', 'trailers') : block;
}

export function encodeResponse(encoder: HpackEncoder, head: ResponseHead): string {
  const start = encoder.beginBlock() + encoder.encode(':status', String(head.status));
  return start + encodeFields(encoder, head.headers);
}

export function encodeInterim(encoder: HpackEncoder, status: number): string {
  return encoder.beginBlock() + encoder.encode(':status', String(status));
}

export function encodeTrailers(encoder: HpackEncoder, fields: TrailerFields): string {
  let block = encoder.beginBlock();
  for (const [name, value] of fields) block += encoder.encode(name, value);
  return block;
}

/** Names are lower case in HTTP/2 (RFC 9113 §8.2.1), and Host is a pseudo-header. */
function encodeFields(encoder: HpackEncoder, headers: HeaderMap): string {
  const { count, addedCount, addedNames, addedValues } = headers;
  let block = '';
  for (let i = 0; i < count; i++) {
    if (headers.isRemovedAt(i)) continue;
    const name = headers.nameAt(i).toLowerCase();
    if (name !== 'host') block += encoder.encode(name, headers.valueAt(i));
  }
  for (let i = 0; i < addedCount; i++) {
    const name = addedNames[i]?.text ?? '';
    if (name !== 'host') block += encoder.encode(name, addedValues[i] ?? '');
  }
  return block;
}
