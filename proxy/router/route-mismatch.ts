/** Pure, for people: why a route does not match a request. The request path never comes here. */
import type { HeaderMatch, PathMatch, QueryParameterMatch, StringMatcher } from '../api/route.ts';
import { requestHeaderReader } from '../http/header-reader.ts';
import type { RequestHead } from '../http/message-head.ts';
import { firstQueryValue, withoutQuery } from './request-path.ts';
import type { RouteCondition } from './route-match.ts';

/** The first condition that fails: what was expected and what came. Undefined when all hold. */
export function describeMismatch(conditions: readonly RouteCondition[], head: RequestHead): string | undefined {
  const failed = conditions.find(({ holds }) => !holds(head));
  switch (failed?.part) {
    case 'path':
      return describePath(failed.match, head);
    case 'header':
      return describeHeader(failed.match, head);
    case 'query':
      return describeQuery(failed.match, head);
    case undefined:
      return undefined;
  }
}

function describePath(match: PathMatch, { path }: RequestHead): string {
  const came = JSON.stringify(withoutQuery(path));
  if (match.kind === 'safe_regex')
    return `path: expected regex ${JSON.stringify(match.regex)}, the request has ${came}`;
  const kind = match.kind === 'path' ? 'exact' : 'prefix';
  const caseRule = match.caseSensitive ? '' : ' in any case';
  return `path: expected ${kind} ${JSON.stringify(match.value)}${caseRule}, the request has ${came}`;
}

function describeHeader({ name, condition, invertMatch }: HeaderMatch, head: RequestHead): string {
  const value = requestHeaderReader(name)(head);
  const word = name.startsWith(':') ? name.slice(1) : `header ${name}`;
  if (condition.kind === 'present') return describePresence(word, value);
  const expected = describeMatcher(condition.matcher);
  if (value === undefined) return `no ${word}, expected ${expected}`;
  return `${word}: expected ${invertMatch ? 'anything but ' : ''}${expected}, the request has ${JSON.stringify(value)}`;
}

function describePresence(word: string, value: string | undefined): string {
  return value === undefined ? `no ${word}` : `${word}: expected none, the request has ${JSON.stringify(value)}`;
}

function describeQuery({ name, matcher }: QueryParameterMatch, { path }: RequestHead): string {
  const value = firstQueryValue(path, name);
  const word = `query parameter ${name}`;
  if (matcher === undefined) return `no ${word}`;
  const expected = describeMatcher(matcher);
  return value === undefined
    ? `no ${word}, expected ${expected}`
    : `${word}: expected ${expected}, the request has ${JSON.stringify(value)}`;
}

function describeMatcher(matcher: StringMatcher): string {
  if (matcher.kind === 'safe_regex') return `regex ${JSON.stringify(matcher.regex)}`;
  return `${matcher.kind} ${JSON.stringify(matcher.value)}${matcher.ignoreCase ? ' in any case' : ''}`;
}
