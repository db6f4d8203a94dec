/** Header rules of a VirtualService as Envoy's (semantics S29). */
import type { Headers } from '../../crds/virtual-service.ts';
import type { HeaderValueOption, Route } from '../../proxy/api/envoy.gen.ts';

/** The four header lists that a route and a weighted cluster have in common; lists without entries are left out. */
export type HeaderLists = Pick<
  Route,
  'request_headers_to_add' | 'request_headers_to_remove' | 'response_headers_to_add' | 'response_headers_to_remove'
>;

type Operations = NonNullable<Headers['request']>;

/** `operations` are applied one after the other, each level's removals before its additions. */
export function buildHeaderLists(operations: readonly (Headers | undefined)[]): HeaderLists {
  const request = operations.map((headers) => headers?.request ?? {});
  const response = operations.map((headers) => headers?.response ?? {});
  const lists: HeaderLists = {
    request_headers_to_add: request.flatMap(additions),
    request_headers_to_remove: request.flatMap(({ remove = [] }) => remove),
    response_headers_to_add: response.flatMap(additions),
    response_headers_to_remove: response.flatMap(({ remove = [] }) => remove),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}

/** The Host that a rule sets, which is the rewriting of the request's target and no header rule of Envoy's. */
export function authorityOf(headers: Headers | undefined): string | undefined {
  const { set = {}, add = {} } = headers?.request ?? {};
  return [...Object.entries(set), ...Object.entries(add)].find(([name]) => isAuthority(name))?.[1];
}

function additions({ set = {}, add = {} }: Operations): HeaderValueOption[] {
  return [...options(set, 'OVERWRITE_IF_EXISTS_OR_ADD'), ...options(add, 'APPEND_IF_EXISTS_OR_ADD')];
}

function options(
  values: Readonly<Record<string, string>>,
  append_action: NonNullable<HeaderValueOption['append_action']>,
): HeaderValueOption[] {
  return Object.entries(values)
    .filter(([name]) => !isAuthority(name))
    .map(([key, value]) => ({ header: { key, value }, append_action }));
}

function isAuthority(name: string): boolean {
  return /^(?::authority|host)$/i.test(name);
}
