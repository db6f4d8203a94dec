/** Decodes `envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit` and the `rate_limits` of routes that it acts on. */
import type {
  LocalRateLimit as LocalRateLimitJson,
  envoy_config_route_v3_RateLimit as RateLimitJson,
  RateLimit_Action,
  TokenBucket,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { LocalRateLimit, RateLimitAction, RouteRateLimit, TokenBucketConfig } from './filter-config.ts';
import { readRuntimeProbability } from './fraction-decoder.ts';
import { readHeaderMatch } from './route-match-decoder.ts';

export function readLocalRateLimit(fields: Fields<LocalRateLimitJson>): LocalRateLimit {
  return {
    kind: 'local_ratelimit',
    statPrefix: fields.name('stat_prefix'),
    tokenBucket: readTokenBucket(fields.required('token_bucket')),
    descriptors: fields.list('descriptors', (descriptor) => ({
      entries: descriptor.list('entries', (entry) => ({ key: entry.name('key'), value: entry.name('value') })),
      tokenBucket: readTokenBucket(descriptor.required('token_bucket')),
    })),
    enabledProbability: readRuntimeProbability(fields.message('filter_enabled'), 0),
    enforcedProbability: readRuntimeProbability(fields.message('filter_enforced'), 0),
    stage: fields.number('stage', { defaultValue: 0, max: 10 }),
    hasRateLimitHeaders: fields.choice('enable_x_ratelimit_headers', ['OFF', 'DRAFT_VERSION_03']) !== 'OFF',
    alwaysConsumeDefaultTokenBucket: fields.flag('always_consume_default_token_bucket', true),
  };
}

/** Envoy refuses intervals below 50 ms. */
export function readTokenBucket(fields: Fields<TokenBucket>): TokenBucketConfig {
  const fillIntervalMs = fields.durationMs('fill_interval', 0);
  if (fillIntervalMs < 50) fields.fail('fill_interval', `must be at least 0.05s, got ${fillIntervalMs / 1_000}s`);
  return {
    maxTokens: fields.number('max_tokens', { defaultValue: 0, min: 1 }),
    tokensPerFill: fields.number('tokens_per_fill', { defaultValue: 1, min: 1 }),
    fillIntervalMs,
  };
}

export function readRouteRateLimit(fields: Fields<RateLimitJson>): RouteRateLimit {
  const actions = fields.list('actions', readAction);
  if (actions.length === 0) fields.fail('actions', 'must have at least one action');
  return { stage: fields.number('stage', { defaultValue: 0, max: 10 }), actions };
}

function readAction(fields: Fields<RateLimit_Action>): RateLimitAction {
  const header = fields.message('request_headers');
  if (header !== undefined) {
    return {
      kind: 'request_headers',
      headerName: header.name('header_name').toLowerCase(),
      key: header.name('descriptor_key'),
      skipIfAbsent: header.flag('skip_if_absent'),
    };
  }
  const match = fields.message('header_value_match');
  if (match !== undefined) {
    return {
      kind: 'header_value_match',
      key: match.text('descriptor_key', 'header_match'),
      value: match.name('descriptor_value'),
      isMatchExpected: match.flag('expect_match', true),
      headers: match.list('headers', readHeaderMatch),
    };
  }
  const generic = fields.message('generic_key');
  if (generic === undefined) {
    fields.failHere('must have one of generic_key, header_value_match and request_headers');
    return { kind: 'generic_key', key: '', value: '' };
  }
  return {
    kind: 'generic_key',
    key: generic.text('descriptor_key', 'generic_key'),
    value: generic.name('descriptor_value'),
  };
}
