/** Values of a head by name: pseudo-headers come from the start line, everything else from the header map. */
import { HeaderName } from './header-name.ts';
import type { RequestHead, ResponseHead } from './message-head.ts';

/** Whether what stands under this name, in lower case, is not among the header lines. */
export function isStartLineHeader(name: string): boolean {
  return name.startsWith(':') || name === 'host';
}

/** `name` in lower case; several headers of one name are joined with a comma. */
export function requestHeaderReader(name: string): (head: RequestHead) => string | undefined {
  switch (name) {
    case ':method':
      return (head) => head.method;
    case ':path':
      return (head) => head.path;
    case ':authority':
    case 'host':
      return (head) => head.authority;
    case ':scheme':
      return () => 'http';
    default: {
      const header = new HeaderName(name);
      return (head) => head.headers.get(header);
    }
  }
}

export function responseHeaderReader(name: string): (head: ResponseHead) => string | undefined {
  if (name === ':status') return (head) => (head.status === 0 ? undefined : String(head.status));
  const header = new HeaderName(name);
  return (head) => head.headers.get(header);
}
