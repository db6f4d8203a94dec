/** Pure: compiled conditions of a route, evaluated on a request's head (Envoy docs `RouteMatch`). */
import type { HeaderMatch, PathMatch, QueryParameterMatch, RouteMatch, StringMatcher } from '../api/route.ts';
import { requireValue } from '../common/decoded.ts';
import { compileRegex } from '../common/regex.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { HeaderName } from '../http/header-name.ts';
import { isStartLineHeader, requestHeaderReader } from '../http/header-reader.ts';
import type { RequestHead } from '../http/message-head.ts';
import { firstQueryValue, withoutQuery } from './request-path.ts';
import { exactValueOf } from './route-candidates.ts';

export type StringPredicate = (value: string) => boolean;
export type RequestPredicate = (head: RequestHead) => boolean;

/** One condition of a route with what it was made from, so that people can be told what it asks for. */
export type RouteCondition = { readonly holds: RequestPredicate } & (
  | { readonly part: 'path'; readonly match: PathMatch }
  | { readonly part: 'header'; readonly match: HeaderMatch }
  | { readonly part: 'query'; readonly match: QueryParameterMatch }
);

/** In the order in which they are asked: the path first, because it is the cheapest to fail. */
export function compileConditions({ path, headers, queryParameters }: RouteMatch): RouteCondition[] {
  return [
    { part: 'path', match: path, holds: compilePathMatch(path) },
    ...headers.map((match) => ({ part: 'header', match, holds: compileHeaderMatch(match) }) as const),
    ...queryParameters.map((match) => ({ part: 'query', match, holds: compileQueryParameterMatch(match) }) as const),
  ];
}

/** All conditions of `match` as one predicate. */
export function compileRouteMatch(match: RouteMatch): RequestPredicate {
  const conditions = compileConditions(match)
    .map(({ holds }) => holds)
    .filter((condition) => condition !== matchesAll);
  const [first, second] = conditions;
  if (first === undefined) return matchesAll;
  if (second === undefined) return first;
  return (head) => conditions.every((condition) => condition(head));
}

const matchesAll: RequestPredicate = () => true;
/** Paths are compared without their query, in Envoy too, whatever the comment of `RouteMatch.prefix` says. */
const matchesNothing: RequestPredicate = () => false;

/** The path of `OPTIONS *` too. */
export function matchesAllPaths(path: PathMatch): boolean {
  return path.kind === 'prefix' && (path.value === '/' || path.value === '');
}

function compilePathMatch(path: PathMatch): RequestPredicate {
  if (matchesAllPaths(path)) return matchesAll;
  switch (path.kind) {
    case 'prefix': {
      if (path.value.includes('?')) return matchesNothing;
      if (path.caseSensitive) return (head) => head.path.startsWith(path.value);
      const prefix = path.value.toLowerCase();
      return (head) => head.path.slice(0, prefix.length).toLowerCase() === prefix;
    }
    case 'path': {
      if (path.value.includes('?')) return matchesNothing;
      if (path.caseSensitive) return (head) => isPath(head.path, path.value);
      const exact = path.value.toLowerCase();
      return (head) => isPath(head.path.toLowerCase(), exact);
    }
    case 'safe_regex': {
      const matches = requireValue(compileRegex(path.regex), 'safe_regex');
      return (head) => matches(withoutQuery(head.path));
    }
  }
}

/** Whether `path` before its query is `expected`, without cutting the query off. */
function isPath(path: string, expected: string): boolean {
  if (!path.startsWith(expected)) return false;
  return path.length === expected.length || path.charCodeAt(expected.length) === questionMark;
}

const questionMark = 63;

export function compileHeaderMatch(match: HeaderMatch): RequestPredicate {
  const { name } = match;
  return compileHeaderCondition<RequestHead>(match, isStartLineHeader(name) ? requestHeaderReader(name) : undefined);
}

/**
 * The condition on the head of a request or of a response. Of a repeated header each value is looked at by itself, and one
 * is enough: nobody hides a value by sending another beside it (Envoy's `match_headers_individually`). `readStartLine`: of
 * what is no header line.
 */
export function compileHeaderCondition<H extends { readonly headers: HeaderMap }>(
  match: HeaderMatch,
  readStartLine: ((head: H) => string | undefined) | undefined,
): (head: H) => boolean {
  const { name, condition, invertMatch, treatMissingHeaderAsEmpty } = match;
  const header = new HeaderName(name);
  if (condition.kind === 'present') {
    const wanted = condition.isPresent !== invertMatch;
    const read = readStartLine ?? (({ headers }: H) => headers.first(header));
    return (head) => (read(head) !== undefined) === wanted;
  }
  const exact = exactValueOf(match);
  if (exact !== undefined && readStartLine === undefined) return ({ headers }) => headers.hasExactly(header, exact);
  const matches = compileStringMatcher(condition.matcher);
  // Without a value a string condition does not hold, inverted or not (Envoy `HeaderMatcher.invert_match`).
  const whenMissing = treatMissingHeaderAsEmpty && matches('') !== invertMatch;
  return (head) => {
    const holds =
      readStartLine === undefined ? head.headers.some(header, matches) : holdsOf(readStartLine(head), matches);
    return holds === undefined ? whenMissing : holds !== invertMatch;
  };
}

function holdsOf(value: string | undefined, matches: StringPredicate): boolean | undefined {
  return value === undefined ? undefined : matches(value);
}

function compileQueryParameterMatch({ name, matcher }: QueryParameterMatch): RequestPredicate {
  if (matcher === undefined) return (head) => firstQueryValue(head.path, name) !== undefined;
  const matches = compileStringMatcher(matcher);
  return (head) => {
    const value = firstQueryValue(head.path, name);
    return value !== undefined && matches(value);
  };
}

export function compileStringMatcher(matcher: StringMatcher): StringPredicate {
  if (matcher.kind === 'safe_regex') return requireValue(compileRegex(matcher.regex), 'safe_regex');
  const { value, ignoreCase } = matcher;
  if (matcher.kind === 'exact' && !ignoreCase) return (text) => text === value;
  const expected = ignoreCase ? value.toLowerCase() : value;
  const compare = comparisons[matcher.kind];
  return ignoreCase ? (text) => compare(text.toLowerCase(), expected) : (text) => compare(text, expected);
}

const comparisons = {
  exact: (text: string, expected: string) => text === expected,
  prefix: (text: string, expected: string) => text.startsWith(expected),
  suffix: (text: string, expected: string) => text.endsWith(expected),
  contains: (text: string, expected: string) => text.includes(expected),
};
