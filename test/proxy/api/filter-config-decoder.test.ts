import { describe, expect, test } from 'vitest';
import type { Route, RouteAction } from '../../../proxy/api/envoy.gen.ts';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { routeConfiguration, routeTo } from '../../support/envoy-json.ts';

const types = {
  fault: 'envoy.extensions.filters.http.fault.v3.HTTPFault',
  cors: 'envoy.extensions.filters.http.cors.v3.CorsPolicy',
  limit: 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
} as const;

function configured(kind: keyof typeof types, config: object): Route {
  return routeTo('c', {}, { typed_per_filter_config: { f: { '@type': typeUrlOf(types[kind]), ...config } } });
}

function decode(route: Route) {
  const { virtualHosts } = requireValue(decodeRouteConfiguration(routeConfiguration([route])), 'routes');
  return virtualHosts[0]?.routes[0];
}

function faults(route: Route): string[] {
  const { errors = [] } = decodeRouteConfiguration(routeConfiguration([route]));
  return errors.map(({ path, message }) => `${path.replace('virtual_hosts[0].routes[0].', '')}: ${message}`);
}

const at = 'typed_per_filter_config.f';
const bucket = { max_tokens: 1, fill_interval: '1s' };

describe('what routes want from filters', () => {
  test('a fault has probabilities, whatever the denominator', () => {
    const route = configured('fault', {
      delay: { fixed_delay: '1.5s', percentage: { numerator: 50 } },
      abort: { grpc_status: 14, percentage: { numerator: 1, denominator: 'MILLION' } },
    });
    expect(decode(route)?.filterConfigs).toEqual({
      f: {
        kind: 'fault',
        delay: { delayMs: 1_500, probability: 0.5 },
        abort: { error: { kind: 'grpc', status: 14 }, probability: 0.000001 },
        headers: [],
        maxActiveFaults: Number.POSITIVE_INFINITY,
      },
    });
  });

  test('a CORS policy forwards preflights that do not match unless told otherwise', () => {
    const route = configured('cors', { allow_origin_string_match: [{ exact: 'o' }], max_age: '5' });
    expect(decode(route)?.filterConfigs?.['f']).toEqual({
      kind: 'cors',
      allowOrigins: [{ kind: 'exact', value: 'o', ignoreCase: false }],
      allowMethods: '',
      allowHeaders: '',
      exposeHeaders: '',
      maxAge: '5',
      allowCredentials: false,
      forwardNotMatchingPreflights: true,
    });
  });

  test('a local rate limit is off until it is enabled and enforced, as in Envoy', () => {
    const route = configured('limit', { stat_prefix: 's', token_bucket: bucket });
    expect(decode(route)?.filterConfigs?.['f']).toMatchObject({
      tokenBucket: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1_000 },
      enabledProbability: 0,
      enforcedProbability: 0,
      alwaysConsumeDefaultTokenBucket: true,
      hasRateLimitHeaders: false,
    });
  });

  test.each<[string, Route, string[]]>([
    ['a delay of nothing', configured('fault', { delay: {} }), [`${at}.delay.fixed_delay: must be set and above 0`]],
    [
      'an abort without an error',
      configured('fault', { abort: {} }),
      [`${at}.abort: must have one of http_status and grpc_status`],
    ],
    [
      'a status that is none',
      configured('fault', { abort: { http_status: 600 } }),
      [`${at}.abort.http_status: must be from 200 to 599, got 600`],
    ],
    [
      'faults by header',
      configured('fault', { delay: { header_delay: {} } }),
      [`${at}.delay.header_delay: is not supported`],
    ],
    [
      'slow responses',
      configured('fault', { response_rate_limit: {} }),
      [`${at}.response_rate_limit: is not supported`],
    ],
    [
      'an origin that is no expression',
      configured('cors', { allow_origin_string_match: [{ safe_regex: { regex: '(' } }] }),
      [expect.stringContaining(`${at}.allow_origin_string_match[0].safe_regex.regex: must be an RE2 expression`)],
    ],
    [
      'CORS for some requests',
      configured('cors', { filter_enabled: { default_value: { numerator: 50 } } }),
      [`${at}.filter_enabled: is not supported for a part of the requests`],
    ],
    ['a limit without a bucket', configured('limit', { stat_prefix: 's' }), [`${at}.token_bucket: must be set`]],
    [
      'a bucket that fills too often',
      configured('limit', { stat_prefix: 's', token_bucket: { ...bucket, fill_interval: '0.01s' } }),
      [`${at}.token_bucket.fill_interval: must be at least 0.05s, got 0.01s`],
    ],
    [
      'a filter that is not known',
      routeTo('c', {}, { typed_per_filter_config: { f: { '@type': typeUrlOf('envoy.config.cluster.v3.Cluster') } } }),
      [expect.stringContaining(`${at}: envoy.config.cluster.v3.Cluster is not supported here`)],
    ],
  ])('%s is refused', (_, route, expected) => {
    expect(faults(route)).toEqual(expected);
  });
});

describe('what a route action says about copies and limits', () => {
  const withAction = (action: RouteAction): Route => routeTo('c', action);

  test('a mirror copies everything, with a suffix, unless told otherwise', () => {
    const action = decode(withAction({ request_mirror_policies: [{ cluster: 'm' }] }))?.action;
    expect(action).toMatchObject({
      requestMirrorPolicies: [{ clusterName: 'm', probability: 1, hasShadowHostSuffix: true }],
    });
  });

  test.each<[string, RouteAction, string[]]>([
    [
      'a mirror of nowhere',
      { request_mirror_policies: [{}] },
      ['route.request_mirror_policies[0].cluster: must be set'],
    ],
    [
      'a mirror named by a header',
      { request_mirror_policies: [{ cluster: 'm', cluster_header: 'x' }] },
      ['route.request_mirror_policies[0].cluster_header: is not supported'],
    ],
    [
      'a rate limit without actions',
      { rate_limits: [{}] },
      ['route.rate_limits[0].actions: must have at least one action'],
    ],
    [
      'an action that is not known',
      { rate_limits: [{ actions: [{ remote_address: {} }] }] },
      [
        'route.rate_limits[0].actions[0]: must have one of generic_key, header_value_match and request_headers',
        'route.rate_limits[0].actions[0].remote_address: is not supported',
      ],
    ],
  ])('%s is refused', (_, action, expected) => {
    expect(faults(withAction(action))).toEqual(expected);
  });
});
