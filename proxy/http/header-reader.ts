/** Values of a head by name: pseudo-headers come from the start line, everything else from the header map. */
import { schemeOf } from './forwarded-headers.ts';
import { HeaderName } from './header-name.ts';
import type { RequestHead, ResponseHead } from './message-head.ts';

/** Whether what stands under this name, in lower case, is not among the header lines. */
export function isStartLineHeader(name: string): boolean {
  return name.startsWith(':') || name === 'host';
}

/** Which values: all of a repeated header, joined with commas, or the first. */
export type Multiplicity = 'all' | 'first';

/** `name` in lower case. */
export function requestHeaderReader(
  name: string,
  values: Multiplicity = 'all',
): (head: RequestHead) => string | undefined {
  switch (name) {
    case ':method':
      return (head) => head.method;
    case ':path':
      return (head) => head.path;
    case ':authority':
    case 'host':
      return (head) => head.authority;
    case ':scheme':
      return schemeOf;
    default: {
      const header = new HeaderName(name);
      return values === 'all' ? (head) => head.headers.get(header) : (head) => head.headers.first(header);
    }
  }
}

export function responseHeaderReader(
  name: string,
  values: Multiplicity = 'all',
): (head: ResponseHead) => string | undefined {
  if (name === ':status') return (head) => (head.status === 0 ? undefined : String(head.status));
  const header = new HeaderName(name);
  return values === 'all' ? (head) => head.headers.get(header) : (head) => head.headers.first(header);
}
