/**
 * Pure: routes of which the first that matches is wanted. Rules often differ in the value of one header alone (the user, the
 * version, the method): then that value is read once and leads to the few routes that ask for it, however many there are.
 */
import type { HeaderMatch } from '../api/route.ts';
import { requestHeaderReader } from '../http/header-reader.ts';
import type { RequestHead } from '../http/message-head.ts';
import type { CompiledRoute } from './route-table.ts';

/** Fewer routes than this are asked one after the other: that is as fast. */
export const minIndexedRoutes = 4;

export interface CandidateRoute {
  readonly route: CompiledRoute;
  readonly headers: readonly HeaderMatch[];
}

/** The first route that matches. */
export type RouteFinder = (head: RequestHead) => CompiledRoute | undefined;

interface Ordered {
  readonly position: number;
  readonly route: CompiledRoute;
}

/** `candidates` in the order of the virtual host. */
export function compileCandidates(candidates: readonly CandidateRoute[]): RouteFinder {
  const name = commonHeaderOf(candidates);
  if (name !== undefined) return byHeader(candidates, name);
  const all = inOrder(candidates);
  return (head) => firstOf(all, head);
}

/** Of a condition that most rules have: a value, letter by letter. Undefined when `match` asks for something else. */
export function exactValueOf({ condition, invertMatch, treatMissingHeaderAsEmpty }: HeaderMatch): string | undefined {
  if (condition.kind === 'present' || invertMatch || treatMissingHeaderAsEmpty) return undefined;
  const { matcher } = condition;
  return matcher.kind === 'exact' && !matcher.ignoreCase ? matcher.value : undefined;
}

/** The header of which most of the candidates want one value, when they are enough. */
function commonHeaderOf(candidates: readonly CandidateRoute[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { headers } of candidates) {
    const names = headers.filter((match) => exactValueOf(match) !== undefined).map(({ name }) => name.toLowerCase());
    for (const name of new Set(names)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return most !== undefined && most[1] >= minIndexedRoutes ? most[0] : undefined;
}

function byHeader(candidates: readonly CandidateRoute[], name: string): RouteFinder {
  const read = requestHeaderReader(name);
  const byValue = new Map<string, Ordered[]>();
  /** Those that may match whatever the value is. */
  const others: Ordered[] = [];
  candidates.forEach(({ route, headers }, position) => {
    const match = headers.find((header) => header.name.toLowerCase() === name && exactValueOf(header) !== undefined);
    const value = match && exactValueOf(match);
    const group = value === undefined ? others : (byValue.get(value) ?? []);
    if (value !== undefined) byValue.set(value, group);
    group.push({ position, route });
  });
  const all = inOrder(candidates);
  return (head) => {
    const value = read(head);
    // Perhaps several values, each of which may be asked for.
    if (value?.includes(',') === true) return firstOf(all, head);
    const asking = value === undefined ? undefined : byValue.get(value);
    return asking === undefined ? firstOf(others, head) : firstOfBoth(asking, others, head);
  };
}

function inOrder(candidates: readonly CandidateRoute[]): Ordered[] {
  return candidates.map(({ route }, position) => ({ position, route }));
}

function firstOf(routes: readonly Ordered[], head: RequestHead): CompiledRoute | undefined {
  for (let i = 0; i < routes.length; i++) {
    const route = routes[i]?.route;
    if (route?.matches(head) === true) return route;
  }
  return undefined;
}

/** As if both were one list in the order of their positions: lists that are merged once per value would grow with the square. */
function firstOfBoth(a: readonly Ordered[], b: readonly Ordered[], head: RequestHead): CompiledRoute | undefined {
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const isFromA = (a[i]?.position ?? Infinity) < (b[j]?.position ?? Infinity);
    const route = (isFromA ? a[i++] : b[j++])?.route;
    if (route?.matches(head) === true) return route;
  }
  return undefined;
}
