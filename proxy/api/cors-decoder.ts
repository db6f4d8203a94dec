/** Decodes `envoy.extensions.filters.http.cors.v3.CorsPolicy`. */
import type { envoy_extensions_filters_http_cors_v3_CorsPolicy as CorsPolicyJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { CorsPolicy } from './filter-config.ts';
import { readRuntimeProbability } from './fraction-decoder.ts';
import { readStringMatcher } from './route-match-decoder.ts';

export function readCorsPolicy(fields: Fields<CorsPolicyJson>): CorsPolicy {
  const enabledProbability = readRuntimeProbability(fields.message('filter_enabled'), 1);
  if (enabledProbability !== 1) fields.fail('filter_enabled', 'is not supported for a part of the requests');
  fields.only('allow_private_network_access', false);
  return {
    kind: 'cors',
    allowOrigins: fields.list('allow_origin_string_match', readStringMatcher),
    allowMethods: fields.text('allow_methods'),
    allowHeaders: fields.text('allow_headers'),
    exposeHeaders: fields.text('expose_headers'),
    maxAge: fields.text('max_age'),
    allowCredentials: fields.flag('allow_credentials'),
    forwardNotMatchingPreflights: fields.flag('forward_not_matching_preflights', true),
  };
}
