/** What a DestinationRule's outlierDetectionHttpErrorCodes mean for a cluster, as Istio translates them. */
import type { MatchPredicate } from '../../proxy/api/envoy.gen.ts';

/** `statuses`: at least one. Envoy wants two alternatives at least where there are any. */
export function buildErrorMatcher(statuses: readonly number[]): MatchPredicate {
  const rules = statuses.map((status): MatchPredicate => {
    const header = { name: ':status', string_match: { exact: String(status) } };
    return { http_response_headers_match: { headers: [header] } };
  });
  const [only] = rules;
  return rules.length === 1 && only !== undefined ? only : { or_match: { rules } };
}
