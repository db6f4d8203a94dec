/** Decodes the messages of `envoy.extensions.filters.http.rate_limit_quota.v3`, with buckets that headers tell apart. */
import type {
  Matcher,
  Matcher_MatcherList_Predicate,
  Matcher_OnMatch,
  RateLimitQuotaBucketSettings as BucketSettingsJson,
  RateLimitQuotaFilterConfig,
  RateLimitQuotaOverride,
  RateLimitStrategy,
  xds_core_v3_TypedExtensionConfig as Extension,
  xds_type_matcher_v3_StringMatcher as StringMatcherJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type {
  ExpiredAssignment,
  QuotaBucketMatch,
  QuotaBucketSettings,
  QuotaStrategy,
  RateLimitQuota,
} from './filter-config.ts';
import { readRuntimeProbability } from './fraction-decoder.ts';
import { readGrpcService } from './grpc-service-decoder.ts';
import { readTokenBucket } from './rate-limit-decoder.ts';
import type { HeaderMatch, StringMatcher } from './route.ts';

/** The filter in a chain. */
export function readQuotaFilter(fields: Fields<RateLimitQuotaFilterConfig>): RateLimitQuota {
  return {
    kind: 'rate_limit_quota',
    service: {
      clusterName: readGrpcService(fields.required('rlqs_server')),
      enabledProbability: readRuntimeProbability(fields.message('filter_enabled'), 1),
      enforcedProbability: readRuntimeProbability(fields.message('filter_enforced'), 1),
    },
    domain: fields.name('domain'),
    buckets: readBuckets(fields.required('bucket_matchers')),
  };
}

/** What a route says. */
export function readQuotaOverride(fields: Fields<RateLimitQuotaOverride>): RateLimitQuota {
  const matcher = fields.message('bucket_matchers');
  return {
    kind: 'rate_limit_quota',
    service: undefined,
    domain: fields.text('domain'),
    buckets: matcher === undefined ? [] : readBuckets(matcher),
  };
}

function readBuckets(fields: Fields<Matcher>): QuotaBucketMatch[] {
  const listed = fields.message('matcher_list')?.list('matchers', (matcher) => ({
    headers: readPredicate(matcher.required('predicate')),
    settings: readOnMatch(matcher.required('on_match')),
  }));
  const otherwise = fields.message('on_no_match');
  const rest = otherwise === undefined ? [] : [{ headers: [], settings: readOnMatch(otherwise) }];
  return [...(listed ?? []), ...rest];
}

function readPredicate(fields: Fields<Matcher_MatcherList_Predicate>): HeaderMatch[] {
  const all = fields.message('and_matcher');
  if (all !== undefined) return all.list('predicate', readPredicate).flat();
  const single = fields.required('single_predicate');
  const name = readInput(single.required('input'));
  const matcher = readStringMatcher(single.required('value_match'));
  const condition = { kind: 'string', matcher } as const;
  return [{ name, condition, invertMatch: false, treatMissingHeaderAsEmpty: false }];
}

function readInput(fields: Fields<Extension>): string {
  fields.name('name');
  const header = fields.typed('typed_config', {
    'envoy.type.matcher.v3.HttpRequestHeaderMatchInput': (input) => input.name('header_name').toLowerCase(),
  });
  return header ?? '';
}

/** Of the xDS API, which has the form of Envoy's own. */
function readStringMatcher(fields: Fields<StringMatcherJson>): StringMatcher {
  const ignoreCase = fields.flag('ignore_case');
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    if (fields.has(kind)) return { kind, value: fields.text(kind), ignoreCase };
  }
  const regex = fields.required('safe_regex');
  regex.message('google_re2');
  return { kind: 'safe_regex', regex: regex.name('regex') };
}

function readOnMatch(fields: Fields<Matcher_OnMatch>): QuotaBucketSettings {
  const action = fields.required('action');
  action.name('name');
  const settings = action.typed('typed_config', {
    'envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings': readSettings,
  });
  return settings ?? { id: {}, reportingIntervalMs: 0, noAssignment: allowAll, expired: undefined };
}

const allowAll: QuotaStrategy = { kind: 'blanket_rule', isAllowed: true };

/** Envoy refuses intervals of up to 100 ms. */
function readSettings(fields: Fields<BucketSettingsJson>): QuotaBucketSettings {
  const builder = fields.required('bucket_id_builder');
  const reportingIntervalMs = fields.durationMs('reporting_interval', 0);
  if (reportingIntervalMs <= 100) {
    fields.fail('reporting_interval', `must be more than 0.1s, got ${reportingIntervalMs / 1_000}s`);
  }
  const unassigned = fields.message('no_assignment_behavior')?.message('fallback_rate_limit');
  const expired = fields.message('expired_assignment_behavior');
  return {
    id: builder.messageMap('bucket_id_builder', (value) => value.name('string_value')),
    reportingIntervalMs,
    noAssignment: unassigned === undefined ? allowAll : readStrategy(unassigned),
    expired: expired && readExpired(expired),
  };
}

function readExpired(
  fields: Fields<NonNullable<BucketSettingsJson['expired_assignment_behavior']>>,
): ExpiredAssignment {
  const timeoutMs = fields.durationMs('expired_assignment_behavior_timeout', Number.POSITIVE_INFINITY);
  if (fields.message('reuse_last_assignment') !== undefined) {
    return { strategy: { kind: 'reuse_last_assignment' }, timeoutMs };
  }
  return { strategy: readStrategy(fields.required('fallback_rate_limit')), timeoutMs };
}

export function readStrategy(fields: Fields<RateLimitStrategy>): QuotaStrategy {
  const bucket = fields.message('token_bucket');
  if (bucket !== undefined) return { kind: 'token_bucket', tokenBucket: readTokenBucket(bucket) };
  const rule = fields.choice('blanket_rule', ['ALLOW_ALL', 'DENY_ALL']);
  return { kind: 'blanket_rule', isAllowed: rule === 'ALLOW_ALL' };
}
