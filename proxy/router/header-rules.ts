/** Header rules of cluster, route, virtual host and route configuration, in the order in which Envoy applies them. */
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
 * first. Then all values are formatted before any header changes, and headers are overwritten before others are added.
 */
export function compileHeaderRules(levels: readonly HeaderMutations[]): HeaderRules {
  return {
    request: levels.flatMap(({ requestRemove, requestAdd }) => compileLevel(requestRemove, requestAdd)),
    response: levels.flatMap(({ responseRemove, responseAdd }) => compileLevel(responseRemove, responseAdd)),
  };
}

/** `headers`: of the request or of the response of `stream`. */
export function applyHeaderRules(rules: readonly HeaderRule[], headers: HeaderMap, stream: HttpStream): void {
  for (const rule of rules) rule(headers, stream);
}

function compileLevel(removed: readonly string[], added: readonly HeaderValueOption[]): HeaderRule[] {
  return [...removed.map(removal), ...(added.length === 0 ? [] : [additions(added)])];
}

function removal(name: string): HeaderRule {
  const header = new HeaderName(name);
  return (headers) => headers.remove(header);
}

interface Addition {
  readonly overwrites: boolean;
  /** Undefined: nothing is to be done. */
  readonly valueFor: (headers: HeaderMap, stream: HttpStream) => string | undefined;
  readonly apply: (headers: HeaderMap, value: string) => void;
}

function additions(options: readonly HeaderValueOption[]): HeaderRule {
  const all = options.map(compileAddition);
  const inOrder = [...all.filter(({ overwrites }) => overwrites), ...all.filter(({ overwrites }) => !overwrites)];
  // Of the request at hand, undefined where nothing is added: requests take turns here, so that one room does for all.
  const values: (string | undefined)[] = inOrder.map(() => undefined);
  return (headers, stream) => {
    for (let i = 0; i < inOrder.length; i += 1) values[i] = inOrder[i]?.valueFor(headers, stream);
    for (let i = 0; i < inOrder.length; i += 1) {
      const value = values[i];
      if (value !== undefined) inOrder[i]?.apply(headers, value);
    }
  };
}

/** A value that turns out empty adds nothing, unless it is to be kept. */
function compileAddition({ name, value, appendAction, keepsEmptyValue }: HeaderValueOption): Addition {
  const header = new HeaderName(name);
  const isWanted = conditions[appendAction];
  // Heads are written one byte per character: what is not ASCII goes out as UTF-8.
  const format = compileFormat(Buffer.from(value).toString('latin1'));
  const overwrites = appendAction === 'OVERWRITE_IF_EXISTS_OR_ADD' || appendAction === 'OVERWRITE_IF_EXISTS';
  return {
    overwrites,
    valueFor: (headers, stream) => {
      if (!isWanted(headers, header)) return undefined;
      const text = format(stream);
      return text !== '' || keepsEmptyValue ? text : undefined;
    },
    apply: overwrites ? (headers, text) => headers.set(header, text) : (headers, text) => headers.add(header, text),
  };
}

const always = (): boolean => true;

const conditions: Readonly<
  Record<HeaderValueOption['appendAction'], (headers: HeaderMap, name: HeaderName) => boolean>
> = {
  APPEND_IF_EXISTS_OR_ADD: always,
  OVERWRITE_IF_EXISTS_OR_ADD: always,
  ADD_IF_ABSENT: (headers, name) => headers.get(name) === undefined,
  OVERWRITE_IF_EXISTS: (headers, name) => headers.get(name) !== undefined,
};
