/**
 * Pure: one spelling for each path, so that the bytes that routes match are the bytes that go upstream. What Envoy's
 * `normalize_path` (RFC 3986 section 6, and `\` for `/`) and `merge_slashes` do; the query is left alone.
 */

export interface NormalizerOptions {
  readonly normalizesPath: boolean;
  readonly mergesSlashes: boolean;
}

/** Undefined: the path has no such spelling. */
export type PathNormalizer = (path: string) => string | undefined;

/** Undefined when nothing is asked for. */
export function createPathNormalizer({ normalizesPath, mergesSlashes }: NormalizerOptions): PathNormalizer | undefined {
  if (!normalizesPath && !mergesSlashes) return undefined;
  return (received) => {
    // Most paths are in order; looking is cheaper than taking them apart.
    const isSuspect =
      (normalizesPath && (received.includes('/.') || received.includes('%') || received.includes('\\'))) ||
      (mergesSlashes && received.includes('//'));
    if (!isSuspect || !received.startsWith('/')) return received;
    const queryStart = received.indexOf('?');
    let path = queryStart < 0 ? received : received.slice(0, queryStart);
    // Readers in C end there, whatever comes behind it.
    if (normalizesPath && path.includes('%00')) return undefined;
    if (normalizesPath) path = removeDotSegments(decodeUnreserved(path).replaceAll('\\', '/'));
    if (mergesSlashes) path = path.replace(/\/{2,}/g, '/');
    return queryStart < 0 ? path : path + received.slice(queryStart);
  };
}

const escapedSlash = /%(?:2f|5c)/i;

/** Whether the path, not its query, has `%2F` or `%5C`: some servers take them for what separates segments. */
export function hasEscapedSlashes(received: string): boolean {
  return received.includes('%') && escapedSlash.test(pathOf(received));
}

export function unescapeSlashes(received: string): string {
  const path = pathOf(received);
  const unescaped = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
  return unescaped + received.slice(path.length);
}

function pathOf(received: string): string {
  const queryStart = received.indexOf('?');
  return queryStart < 0 ? received : received.slice(0, queryStart);
}

/** RFC 3986 section 6.2.2.2: `%41` is `A`; what is reserved, `%2F` for instance, means something else and stays. */
function decodeUnreserved(path: string): string {
  return path.replace(/%[0-9A-Fa-f]{2}/g, (escaped) => {
    const char = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[\w.~-]/.test(char) ? char : escaped;
  });
}

/** RFC 3986 section 5.2.4. Empty segments are segments. */
function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.slice(1).split('/');
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === '..') kept.pop();
    if (segment !== '.' && segment !== '..') kept.push(segment);
    else if (isLast) kept.push('');
  }
  return `/${kept.join('/')}`;
}
