import { describe, expect, test } from 'vitest';
import { decodeFields } from '../../../proxy/api/fields.ts';
import type { RateLimitQuotaFilterConfig, RateLimitQuotaOverride } from '../../../proxy/api/envoy.gen.ts';
import { readQuotaFilter, readQuotaOverride } from '../../../proxy/api/quota-decoder.ts';
import { readJson } from '../../../proxy/api/protojson.ts';

const settingsType =
  'type.googleapis.com/envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings';
const inputType = 'type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput';

function bucket(more: object = {}): object {
  const typed_config = {
    '@type': settingsType,
    bucket_id_builder: { bucket_id_builder: { name: { string_value: 'limit' } } },
    reporting_interval: '0.2s',
    ...more,
  };
  return { action: { name: 'limit', typed_config } };
}

function header(header_name: string, value_match: object): object {
  const input = { name: header_name, typed_config: { '@type': inputType, header_name } };
  return { single_predicate: { input, value_match } };
}

function errorsOf(bucket_matchers: object): string[] {
  const name = 'envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaOverride';
  const json = readJson(name, { domain: 'heddle', bucket_matchers });
  if (json.errors !== undefined) return json.errors.map(({ path, message }) => `${path}: ${message}`);
  const decoded = decodeFields<RateLimitQuotaOverride, unknown>(json.value ?? {}, '', readQuotaOverride);
  return (decoded.errors ?? []).map(({ path, message }) => `${path}: ${message}`);
}

describe('the rate limit quota filter', () => {
  test('is decoded with its service, its buckets in order and the one for all others last', () => {
    const config = readJson('envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig', {
      rlqs_server: { envoy_grpc: { cluster_name: 'mixer' } },
      domain: 'heddle',
      filter_enforced: { default_value: { numerator: 0 } },
      bucket_matchers: {
        matcher_list: {
          matchers: [
            {
              predicate: {
                and_matcher: { predicate: [header('X-A', { exact: 'a' }), header('x-b', { prefix: 'b' })] },
              },
              on_match: bucket({ no_assignment_behavior: { fallback_rate_limit: { blanket_rule: 'DENY_ALL' } } }),
            },
          ],
        },
        on_no_match: bucket({
          expired_assignment_behavior: { expired_assignment_behavior_timeout: '60s', reuse_last_assignment: {} },
        }),
      },
    });
    const decoded = decodeFields<RateLimitQuotaFilterConfig, unknown>(config.value ?? {}, '', readQuotaFilter);
    expect(decoded.errors).toBeUndefined();
    expect(decoded.value).toMatchObject({
      service: { clusterName: 'mixer', enabledProbability: 1, enforcedProbability: 0 },
      domain: 'heddle',
      buckets: [
        {
          headers: [{ name: 'x-a' }, { name: 'x-b' }],
          settings: { id: { name: 'limit' }, reportingIntervalMs: 200, noAssignment: { isAllowed: false } },
        },
        {
          headers: [],
          settings: {
            noAssignment: { kind: 'blanket_rule', isAllowed: true },
            expired: { strategy: { kind: 'reuse_last_assignment' }, timeoutMs: 60_000 },
          },
        },
      ],
    });
  });

  test.each([
    [
      'an interval that Envoy refuses',
      { on_no_match: bucket({ reporting_interval: '0.1s' }) },
      'reporting_interval: must be more than 0.1s, got 0.1s',
    ],
    [
      'another answer than 429',
      { on_no_match: bucket({ deny_response_settings: { http_status: { code: 'Forbidden' } } }) },
      'deny_response_settings: is not supported',
    ],
    [
      'a bucket of values of the request',
      { on_no_match: bucket({ bucket_id_builder: { bucket_id_builder: { a: {} } } }) },
      'a.string_value: must be set',
    ],
    [
      'requests per time unit',
      {
        on_no_match: bucket({
          no_assignment_behavior: { fallback_rate_limit: { requests_per_time_unit: { requests_per_time_unit: 1 } } },
        }),
      },
      'requests_per_time_unit: is not supported',
    ],
    ['a tree of matchers', { matcher_tree: {}, on_no_match: bucket() }, 'matcher_tree: is not supported'],
    [
      'a negation',
      { matcher_list: { matchers: [{ predicate: { not_matcher: header('a', { exact: 'a' }) }, on_match: bucket() }] } },
      'not_matcher: is not supported',
    ],
    [
      'a matcher in a matcher',
      { on_no_match: { matcher: { on_no_match: bucket() } } },
      'on_no_match.matcher: is not supported',
    ],
  ])('refuses %s by name', (_, matchers, fault) => {
    expect(errorsOf(matchers)).toContainEqual(expect.stringContaining(fault));
  });
});
