/**
 * The hash of a request, from what its route says: header, cookie, query parameter, source address. Equal keys give equal
 * hashes in every proxy, so no proxy has to remember who went where. Compiled only for routes that have hash policies.
 */
import { randomBytes } from 'node:crypto';
import type { CookieKey, HashKey, HashPolicy } from '../api/route.ts';
import { murmurHash } from '../common/murmur-hash.ts';
import { HeaderName } from '../http/header-name.ts';
import type { HeaderMap } from '../http/header-map.ts';
import type { HttpStream } from '../http/stream.ts';
import { firstQueryValue } from './request-path.ts';

export interface RequestHash {
  /** In [0, 2^32); undefined when the request has none of the keys. */
  readonly value: number | undefined;
  /** Values of Set-Cookie for the response: cookies that were made because the request had none. */
  readonly setCookies: readonly string[];
}

export type RequestHasher = (stream: HttpStream) => RequestHash;

export const noHash: RequestHash = { value: undefined, setCookies: [] };

/** `makeToken` gives the value of a new cookie: text without separators, unlike any before. */
export function compileHashPolicies(policies: readonly HashPolicy[], makeToken = randomToken): RequestHasher {
  const readers = policies.map(({ key, isTerminal }) => ({ read: compileKey(key, makeToken), isTerminal }));
  return (stream) => {
    let value: number | undefined = undefined;
    let setCookies: string[] | undefined = undefined;
    for (const { read, isTerminal } of readers) {
      const found = read(stream);
      if (found === undefined) continue;
      // Envoy's way to join: turned by one bit first, so that the order of the keys counts.
      const turned: number = value === undefined ? 0 : (value << 1) | (value >>> 31);
      value = (turned ^ murmurHash(found.key)) >>> 0;
      if (found.setCookie !== undefined) (setCookies ??= []).push(found.setCookie);
      if (isTerminal) break;
    }
    return { value, setCookies: setCookies ?? [] };
  };
}

/** The response makes the client keep what was made for it. */
export function addCookies({ setCookies }: RequestHash, headers: HeaderMap): void {
  for (const setCookie of setCookies) headers.add(setCookieHeader, setCookie);
}

const setCookieHeader = new HeaderName('set-cookie');
const cookieHeader = new HeaderName('cookie');

interface FoundKey {
  readonly key: string;
  readonly setCookie?: string;
}

type KeyReader = (stream: HttpStream) => FoundKey | undefined;

function compileKey(key: HashKey, makeToken: () => string): KeyReader {
  switch (key.kind) {
    case 'header': {
      const header = new HeaderName(key.name);
      return ({ request }) => foundKey(request.headers.get(header));
    }
    case 'query_parameter':
      return ({ request }) => foundKey(firstQueryValue(request.path, key.name));
    case 'source_ip':
      return ({ remoteAddress }) => foundKey(remoteAddress && withoutPort(remoteAddress));
    case 'cookie':
      return compileCookie(key, makeToken);
  }
}

function foundKey(key: string | undefined): FoundKey | undefined {
  return key === undefined ? undefined : { key };
}

function withoutPort(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}

/**
 * Envoy makes the value from the connection's addresses; here it is random, because one connection of an application to
 * its sidecar carries the requests of all the application's users.
 */
function compileCookie(key: CookieKey, makeToken: () => string): KeyReader {
  const { name, ttlMs, path, attributes } = key;
  const maxAge = ttlMs === undefined || ttlMs === 0 ? '' : `; Max-Age=${Math.ceil(ttlMs / 1_000)}`;
  const rest = attributes.map(({ name, value }) => (value === '' ? `; ${name}` : `; ${name}=${value}`)).join('');
  const suffix = `${maxAge}${path === '' ? '' : `; Path=${path}`}${rest}; HttpOnly`;
  return ({ request }) => {
    const sent = readCookie(request.headers.get(cookieHeader), name);
    if (sent !== undefined || ttlMs === undefined) return foundKey(sent);
    const made = makeToken();
    return { key: made, setCookie: `${name}="${made}"${suffix}` };
  };
}

/** The value of the first cookie of this name in a Cookie header (RFC 6265 §4.2), without its quotes. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  // Several Cookie headers come joined with a comma, which no cookie's value may hold.
  for (const pair of header?.split(/[;,]/) ?? []) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
  }
  return undefined;
}

function randomToken(): string {
  return randomBytes(8).toString('hex');
}
