/** Pure: what a route's rate limits describe a request by (Envoy docs, `envoy.config.route.v3.RateLimit`). */
import type { RateLimitAction, RouteRateLimit } from '../api/filter-config.ts';
import { HeaderName } from '../http/header-name.ts';
import type { RequestHead } from '../http/message-head.ts';
import { compileHeaderMatch } from './route-match.ts';

/** The entries of a request as one text; undefined when an action finds nothing, and the rate limit is not about it. */
export type Descriptor = (head: RequestHead) => string | undefined;

export function compileDescriptor({ actions }: RouteRateLimit): Descriptor {
  const parts = actions.map(compileAction);
  return (head) => {
    let key = '';
    for (const part of parts) {
      const entry = part(head);
      if (entry === undefined) return undefined;
      key += entry;
    }
    return key;
  };
}

function compileAction(action: RateLimitAction): Descriptor {
  switch (action.kind) {
    case 'generic_key': {
      const entry = entryKey(action.key, action.value);
      return () => entry;
    }
    case 'header_value_match': {
      const conditions = action.headers.map(compileHeaderMatch);
      const entry = entryKey(action.key, action.value);
      return (head) => (conditions.every((holds) => holds(head)) === action.isMatchExpected ? entry : undefined);
    }
    case 'request_headers': {
      const name = new HeaderName(action.headerName);
      const absent = action.skipIfAbsent ? '' : undefined;
      return ({ headers }) => {
        const value = headers.get(name);
        return value === undefined ? absent : entryKey(action.key, value);
      };
    }
  }
}

/** Unambiguous: neither part can hold a NUL in a header or in a configuration that came as text. */
export function entryKey(key: string, value: string): string {
  return `${key}\0${value}\0`;
}
