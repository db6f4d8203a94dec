/** Decodes `envoy.config.route.v3.RouteMatch` and the matchers inside. */
import { compileRegex } from '../common/regex.ts';
import type {
  envoy_type_matcher_v3_RegexMatcher as RegexMatcherJson,
  envoy_type_matcher_v3_StringMatcher as StringMatcherJson,
  HeaderMatcher as HeaderMatcherJson,
  QueryParameterMatcher as QueryParameterMatcherJson,
  RouteMatch as RouteMatchJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { HeaderMatch, PathMatch, QueryParameterMatch, RouteMatch, StringMatcher } from './route.ts';

export function readRouteMatch(fields: Fields<RouteMatchJson>): RouteMatch {
  return {
    path: readPathMatch(fields),
    headers: fields.list('headers', readHeaderMatch),
    queryParameters: fields.list('query_parameters', readQueryParameterMatch),
  };
}

function readPathMatch(fields: Fields<RouteMatchJson>): PathMatch {
  const caseSensitive = fields.flag('case_sensitive', true);
  const regex = fields.message('safe_regex');
  if (regex !== undefined) return { kind: 'safe_regex', regex: readRegex(regex) };
  const path = fields.take('path');
  if (path !== undefined) return { kind: 'path', value: path, caseSensitive };
  const prefix = fields.take('prefix');
  if (prefix !== undefined) return { kind: 'prefix', value: prefix, caseSensitive };
  fields.failHere('must have one of prefix, path and safe_regex');
  return { kind: 'prefix', value: '', caseSensitive };
}

export function readHeaderMatch(fields: Fields<HeaderMatcherJson>): HeaderMatch {
  return {
    name: fields.name('name').toLowerCase(),
    condition: readCondition(fields),
    invertMatch: fields.flag('invert_match'),
    treatMissingHeaderAsEmpty: fields.flag('treat_missing_header_as_empty'),
  };
}

/** The forms before `string_match` are deprecated, but older gRPC clients only understand those, so control planes send them. */
function readCondition(fields: Fields<HeaderMatcherJson>): HeaderMatch['condition'] {
  const stringMatch = fields.message('string_match');
  if (stringMatch !== undefined) return { kind: 'string', matcher: readStringMatcher(stringMatch) };
  const regex = fields.message('safe_regex_match');
  if (regex !== undefined) return { kind: 'string', matcher: { kind: 'safe_regex', regex: readRegex(regex) } };
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    const key = `${kind}_match` as const;
    if (fields.has(key)) {
      const value = kind === 'exact' ? fields.text(key) : fields.name(key);
      return { kind: 'string', matcher: { kind, value, ignoreCase: false } };
    }
  }
  return { kind: 'present', isPresent: fields.take('present_match') ?? true };
}

function readQueryParameterMatch(fields: Fields<QueryParameterMatcherJson>): QueryParameterMatch {
  const stringMatch = fields.message('string_match');
  fields.only('present_match', true);
  return { name: fields.name('name'), matcher: stringMatch && readStringMatcher(stringMatch) };
}

export function readStringMatcher(fields: Fields<StringMatcherJson>): StringMatcher {
  const regex = fields.message('safe_regex');
  if (regex !== undefined) {
    fields.only('ignore_case', false);
    return { kind: 'safe_regex', regex: readRegex(regex) };
  }
  const ignoreCase = fields.flag('ignore_case');
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    if (!fields.has(kind)) continue;
    return { kind, value: kind === 'exact' ? fields.text(kind) : fields.name(kind), ignoreCase };
  }
  fields.failHere('must have one of exact, prefix, suffix, contains and safe_regex');
  return { kind: 'exact', value: '', ignoreCase };
}

/** `google_re2` only says which engine and how large a program: neither changes what matches. */
function readRegex(fields: Fields<RegexMatcherJson>): string {
  fields.ignore('google_re2');
  const regex = fields.name('regex');
  for (const { message } of compileRegex(regex).errors ?? []) fields.fail('regex', message);
  return regex;
}
