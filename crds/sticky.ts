/**
 * Sticky splits (semantics B5): the annotation of a VirtualService that says by what its weighted destinations are chosen.
 * `header:NAME` · `cookie:NAME` (of requests that have it) · `cookie:NAME;TTL` (made where it is missing; `0s` = for the
 * session) · `source`, the address of the client.
 */
import { parseDurationMs } from './duration.ts';
import { show } from './findings.ts';

export const stickyAnnotation = 'heddle.dev/sticky';

export type StickyKey =
  | { readonly kind: 'header'; readonly name: string }
  /** Without `ttlMs` no cookie is made; 0 = for the session. */
  | { readonly kind: 'cookie'; readonly name: string; readonly ttlMs: number | undefined }
  | { readonly kind: 'source' };

/** A token of RFC 9110 §5.6.2, which names of headers and cookies are. */
export const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Undefined when `text` is none of the forms. */
export function parseSticky(text: string): StickyKey | undefined {
  if (text === 'source') return { kind: 'source' };
  const [, kind, name = '', ttl] = /^(header|cookie):([^;]*)(?:;(.*))?$/.exec(text) ?? [];
  if (kind === undefined || !tokenPattern.test(name)) return undefined;
  if (kind === 'header') return ttl === undefined ? { kind: 'header', name: name.toLowerCase() } : undefined;
  if (ttl === undefined) return { kind: 'cookie', name, ttlMs: undefined };
  const ttlMs = parseDurationMs(ttl);
  return ttlMs === undefined || ttlMs < 0 ? undefined : { kind: 'cookie', name, ttlMs };
}

/** A sentence about what is wrong with the annotation's value; undefined when it is fine. */
export function stickyFault(text: string): string | undefined {
  if (parseSticky(text) !== undefined) return undefined;
  return `must be header:NAME, cookie:NAME, cookie:NAME;TTL or source, got ${show(text)}`;
}
