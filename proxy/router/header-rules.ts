/** Header rules of cluster, route, virtual host and route configuration, joined in the order Envoy applies them. */
import type { HeaderMutations, HeaderValueOption } from '../api/route.ts';
import { compileFormat } from '../formatter/stream-formatter.ts';
import { HeaderName } from '../http/header-name.ts';
import type { HeaderMap } from '../http/header-map.ts';
import type { HttpStream } from '../http/stream.ts';

export type HeaderRule = (headers: HeaderMap, stream: HttpStream) => void;

export interface HeaderRules {
  readonly request: readonly HeaderRule[];
  readonly response: readonly HeaderRule[];
}

/**
 * `levels` from the innermost (weighted cluster) to the outermost (route configuration). At each level removals come
 * before additions.
 */
export function compileHeaderRules(levels: readonly HeaderMutations[]): HeaderRules {
  return {
    request: levels.flatMap((level) => [...level.requestRemove.map(removal), ...level.requestAdd.map(addition)]),
    response: levels.flatMap((level) => [...level.responseRemove.map(removal), ...level.responseAdd.map(addition)]),
  };
}

/** `headers`: of the request or of the response of `stream`. */
export function applyHeaderRules(rules: readonly HeaderRule[], headers: HeaderMap, stream: HttpStream): void {
  for (const rule of rules) rule(headers, stream);
}

function removal(name: string): HeaderRule {
  const header = new HeaderName(name);
  return (headers) => headers.remove(header);
}

/** A value that turns out empty adds nothing, unless it is to be kept. */
function addition({ name, value, appendAction, keepsEmptyValue }: HeaderValueOption): HeaderRule {
  const header = new HeaderName(name);
  const apply = additions[appendAction];
  // Heads are written one byte per character: what is not ASCII goes out as UTF-8.
  const format = compileFormat(Buffer.from(value).toString('latin1'));
  return (headers, stream) => {
    const text = format(stream);
    if (text !== '' || keepsEmptyValue) apply(headers, header, text);
  };
}

type Addition = (headers: HeaderMap, name: HeaderName, value: string) => void;

const additions: Readonly<Record<HeaderValueOption['appendAction'], Addition>> = {
  APPEND_IF_EXISTS_OR_ADD: (headers, name, value) => headers.add(name, value),
  OVERWRITE_IF_EXISTS_OR_ADD: (headers, name, value) => headers.set(name, value),
  ADD_IF_ABSENT: (headers, name, value) => {
    if (headers.get(name) === undefined) headers.add(name, value);
  },
  OVERWRITE_IF_EXISTS: (headers, name, value) => {
    if (headers.get(name) !== undefined) headers.set(name, value);
  },
};
