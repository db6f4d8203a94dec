/** Heads for unit tests, parsed from text. */
import { parseRequestHead, parseResponseHead } from '../../../proxy/http1/head-parser.ts';
import { type HeadLimits } from '../../../proxy/http/head-limits.ts';
import { RequestHead, ResponseHead } from '../../../proxy/http/message-head.ts';

export const limits: HeadLimits = { maxBytes: 61_440, maxHeaders: 100 };

/** Throws when `text` is not one complete head. */
export function requestHead(text: string): RequestHead {
  const bytes = Buffer.from(text, 'latin1');
  const head = new RequestHead();
  const length = parseRequestHead(bytes, { start: 0, end: bytes.length }, limits, head);
  if (length !== bytes.length) throw new Error(`not a head: ${length}`);
  return head;
}

export function responseHead(text: string): ResponseHead {
  const bytes = Buffer.from(text, 'latin1');
  const head = new ResponseHead();
  const length = parseResponseHead(bytes, { start: 0, end: bytes.length }, limits, head);
  if (length !== bytes.length) throw new Error(`not a head: ${length}`);
  return head;
}
