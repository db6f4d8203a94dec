/** Conditions of a VirtualService as Envoy's route match. */
import type { HTTPMatchRequest, StringMatch } from '../../crds/virtual-service.ts';
import type {
  envoy_type_matcher_v3_StringMatcher as StringMatcher,
  HeaderMatcher,
  QueryParameterMatcher,
  RouteMatch,
} from '../../proxy/api/envoy.gen.ts';

/** Undefined matches everything. */
export function buildRouteMatch(match: HTTPMatchRequest | undefined): RouteMatch {
  const headers = [
    ...buildPseudoHeaderMatchers(match),
    ...Object.entries(match?.headers ?? {}).map(([name, value]) => buildHeaderMatcher(name, value)),
    ...Object.entries(match?.withoutHeaders ?? {}).map(([name, value]) => buildAbsenceMatcher(name, value)),
  ];
  const query_parameters = Object.entries(match?.queryParams ?? {}).map(([name, value]) =>
    buildQueryMatcher(name, value),
  );
  return {
    ...buildPathMatch(match),
    ...(headers.length > 0 ? { headers } : {}),
    ...(query_parameters.length > 0 ? { query_parameters } : {}),
  };
}

/** In Envoy the parts of the start line are headers too. */
function buildPseudoHeaderMatchers({ method, scheme, authority }: HTTPMatchRequest = {}): HeaderMatcher[] {
  return Object.entries({ ':method': method, ':scheme': scheme, ':authority': authority }).flatMap(([name, value]) =>
    value === undefined ? [] : [buildHeaderMatcher(name, value)],
  );
}

/** The first value of a parameter counts, and none is the value "" (S14). */
function buildQueryMatcher(name: string, match: StringMatch): QueryParameterMatcher {
  const string_match = buildStringMatcher(match);
  return string_match === undefined ? { name, present_match: true } : { name, string_match };
}

/** Prefixes are raw string prefixes (S8); `ignoreUriCase` has no say over regular expressions (S9). */
function buildPathMatch({ uri = {}, ignoreUriCase = false }: HTTPMatchRequest = {}): RouteMatch {
  const caseRule = ignoreUriCase ? { case_sensitive: false } : {};
  if (uri.exact !== undefined) return { path: uri.exact, ...caseRule };
  if (uri.regex !== undefined) return { safe_regex: { regex: uri.regex } };
  return { prefix: uri.prefix ?? '/', ...caseRule };
}

export function buildHeaderMatcher(name: string, match: StringMatch): HeaderMatcher {
  const string_match = buildStringMatcher(match);
  return string_match === undefined ? { name, present_match: true } : { name, string_match };
}

/** A missing header counts as empty, so that a condition on its value holds the other way round (S12). */
export function buildAbsenceMatcher(name: string, match: StringMatch): HeaderMatcher {
  const string_match = buildStringMatcher(match);
  if (string_match === undefined) return { name, present_match: true, invert_match: true };
  return { name, string_match, invert_match: true, treat_missing_header_as_empty: true };
}

/** Undefined for an empty match and the regex `*`, which ask for presence only (S11). */
function buildStringMatcher({ exact, prefix, regex }: StringMatch): StringMatcher | undefined {
  if (exact !== undefined) return { exact };
  if (prefix !== undefined) return { prefix };
  return regex === undefined || regex === '*' ? undefined : { safe_regex: { regex } };
}

/** Whether every request matches, so that no later route is ever reached (S3). */
export function isCatchAll({ prefix, safe_regex, headers, query_parameters }: RouteMatch): boolean {
  if (headers !== undefined || query_parameters !== undefined) return false;
  return prefix === '/' || safe_regex?.regex === '.*' || safe_regex?.regex === '*';
}
