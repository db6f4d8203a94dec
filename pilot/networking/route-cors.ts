/** A rule's CORS policy (semantics S30) as Envoy's CORS filter has it. */
import { parseDurationMs } from '../../crds/duration.ts';
import type { HTTPRoute, StringMatch } from '../../crds/virtual-service.ts';
import type {
  envoy_extensions_filters_http_cors_v3_CorsPolicy as EnvoyCorsPolicy,
  envoy_type_matcher_v3_StringMatcher as StringMatcher,
} from '../../proxy/api/envoy.gen.ts';

type CorsPolicy = NonNullable<HTTPRoute['corsPolicy']>;

export function buildCorsPolicy(cors: CorsPolicy): EnvoyCorsPolicy {
  const { allowOrigins = [], maxAge, allowCredentials, unmatchedPreflights } = cors;
  return {
    allow_origin_string_match: allowOrigins.map(buildOrigin),
    ...listOf('allow_methods', cors.allowMethods),
    ...listOf('allow_headers', cors.allowHeaders),
    ...listOf('expose_headers', cors.exposeHeaders),
    ...(maxAge === undefined ? {} : { max_age: String((parseDurationMs(maxAge) ?? 0) / 1000) }),
    ...(allowCredentials === undefined ? {} : { allow_credentials: allowCredentials }),
    forward_not_matching_preflights: unmatchedPreflights !== 'IGNORE',
  };
}

function buildOrigin({ exact, prefix, regex }: StringMatch): StringMatcher {
  if (exact !== undefined) return { exact };
  return prefix === undefined ? { safe_regex: { regex: regex ?? '' } } : { prefix };
}

type ListField = 'allow_methods' | 'allow_headers' | 'expose_headers';

function listOf(field: ListField, values: readonly string[] | undefined): EnvoyCorsPolicy {
  return values === undefined || values.length === 0 ? {} : { [field]: values.join(',') };
}
