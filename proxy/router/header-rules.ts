/** Pure: header rules of route, virtual host and route configuration, joined in the order Envoy applies them. */
import type { HeaderMutations, HeaderValueOption } from '../api/route.ts';
import { HeaderName } from '../http/header-name.ts';
import type { HeaderMap } from '../http/header-map.ts';

export type HeaderRule = (headers: HeaderMap) => void;

export interface HeaderRules {
  readonly request: readonly HeaderRule[];
  readonly response: readonly HeaderRule[];
}

/** `levels` from the innermost (route) to the outermost (route configuration). At each level removals come before additions. */
export function compileHeaderRules(levels: readonly HeaderMutations[]): HeaderRules {
  return {
    request: levels.flatMap((level) => [...level.requestRemove.map(removal), ...level.requestAdd.map(addition)]),
    response: levels.flatMap((level) => [...level.responseRemove.map(removal), ...level.responseAdd.map(addition)]),
  };
}

export function applyHeaderRules(rules: readonly HeaderRule[], headers: HeaderMap): void {
  for (const rule of rules) rule(headers);
}

function removal(name: string): HeaderRule {
  const header = new HeaderName(name);
  return (headers) => headers.remove(header);
}

function addition({ name, value, appendAction }: HeaderValueOption): HeaderRule {
  const header = new HeaderName(name);
  switch (appendAction) {
    case 'APPEND_IF_EXISTS_OR_ADD':
      return (headers) => headers.add(header, value);
    case 'OVERWRITE_IF_EXISTS_OR_ADD':
      return (headers) => headers.set(header, value);
    case 'ADD_IF_ABSENT':
      return (headers) => {
        if (headers.get(header) === undefined) headers.add(header, value);
      };
    case 'OVERWRITE_IF_EXISTS':
      return (headers) => {
        if (headers.get(header) !== undefined) headers.set(header, value);
      };
  }
}
