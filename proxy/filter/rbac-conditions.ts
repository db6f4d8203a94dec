/** Pure: compiled conditions of RBAC policies, evaluated on a request and its connection (Envoy docs `rbac.proto`). */
import type { CidrRange } from '../api/listener.ts';
import type { RbacCondition } from '../api/rbac.ts';
import { HeaderName } from '../http/header-name.ts';
import { isStartLineHeader, requestHeaderReader } from '../http/header-reader.ts';
import type { RequestHead } from '../http/message-head.ts';
import type { ServerCodec } from '../http/stream.ts';
import { compileHeaderMatch, compileStringMatcher } from '../router/route-match.ts';
import { withoutQuery } from '../router/request-path.ts';
import { exactValueOf } from '../router/route-candidates.ts';
import { AddressSet } from './address-set.ts';

/** As much of a stream as conditions look at. */
export interface CheckedStream {
  readonly request: RequestHead;
  readonly codec?: Pick<ServerCodec, 'localAddress' | 'remoteAddress'> | undefined;
  readonly remoteAddress?: string | undefined;
}

export type StreamPredicate = (stream: CheckedStream) => boolean;

type AddressKind = 'destination_ip' | 'direct_remote_ip' | 'remote_ip';

export function compileCondition(condition: RbacCondition): StreamPredicate {
  switch (condition.kind) {
    case 'any':
      return () => true;
    case 'and':
      return everyOf(condition.conditions.map(compileCondition));
    case 'or':
      return someOf(condition.conditions);
    case 'not': {
      const holds = compileCondition(condition.condition);
      return (stream) => !holds(stream);
    }
    case 'header': {
      const holds = compileHeaderMatch(condition.match);
      return ({ request }) => holds(request);
    }
    case 'url_path': {
      const matches = compileStringMatcher(condition.matcher);
      return ({ request }) => matches(withoutQuery(request.path));
    }
    case 'destination_port': {
      const suffix = `:${condition.port}`;
      return ({ codec }) => codec?.localAddress.endsWith(suffix) === true;
    }
    default:
      return isWithin(condition.kind, [condition.range]);
  }
}

function everyOf(predicates: readonly StreamPredicate[]): StreamPredicate {
  const [first, second] = predicates;
  if (first === undefined) return () => true;
  return second === undefined ? first : (stream) => predicates.every((holds) => holds(stream));
}

/** One of several. Long lists of values and addresses are looked up, not gone through. */
export function someOf(conditions: readonly RbacCondition[]): StreamPredicate {
  const values = new Map<string, Set<string>>();
  const ranges = new Map<AddressKind, CidrRange[]>();
  const predicates: StreamPredicate[] = [];
  for (const condition of conditions) {
    const exact = condition.kind === 'header' ? exactValueOf(condition.match) : undefined;
    if (condition.kind === 'any') return () => true;
    if (condition.kind === 'header' && exact !== undefined) group(values, condition.match.name, new Set()).add(exact);
    else if ('range' in condition) group(ranges, condition.kind, []).push(condition.range);
    else predicates.push(compileCondition(condition));
  }
  for (const [name, known] of values) predicates.unshift(hasValueOf(name, known));
  for (const [kind, known] of ranges) predicates.push(isWithin(kind, known));
  const [first, second] = predicates;
  if (first === undefined) return () => false;
  return second === undefined ? first : (stream) => predicates.some((holds) => holds(stream));
}

function group<K, V>(groups: Map<K, V>, key: K, empty: V): V {
  const known = groups.get(key);
  if (known !== undefined) return known;
  groups.set(key, empty);
  return empty;
}

function hasValueOf(name: string, known: ReadonlySet<string>): StreamPredicate {
  const isKnown = (value: string): boolean => known.has(value);
  if (isStartLineHeader(name)) {
    const read = requestHeaderReader(name);
    return ({ request }) => isKnown(read(request) ?? '');
  }
  const header = new HeaderName(name);
  const [only = ''] = known;
  if (known.size === 1) return ({ request }) => request.headers.hasExactly(header, only);
  return ({ request }) => request.headers.some(header, isKnown) === true;
}

function isWithin(kind: AddressKind, ranges: readonly CidrRange[]): StreamPredicate {
  const set = new AddressSet(ranges);
  switch (kind) {
    case 'destination_ip':
      return ({ codec }) => set.has(codec?.localAddress);
    case 'direct_remote_ip':
      return ({ codec }) => set.has(codec?.remoteAddress);
    case 'remote_ip':
      return ({ remoteAddress }) => set.has(remoteAddress);
  }
}
