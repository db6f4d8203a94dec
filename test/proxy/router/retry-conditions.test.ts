import { describe, expect, test } from 'vitest';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import type { envoy_config_route_v3_RetryPolicy as RetryPolicyJson } from '../../../proxy/api/envoy.gen.ts';
import type { RetryPolicy } from '../../../proxy/api/retry-policy.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead, ResponseHead } from '../../../proxy/http/message-head.ts';
import { requestedDelayMs } from '../../../proxy/router/rate-limited-back-off.ts';
import { compileRetryPolicy } from '../../../proxy/router/retry-conditions.ts';
import { routeConfiguration, routeTo } from '../../support/envoy-json.ts';

const configurationOf = (retry_policy: RetryPolicyJson) =>
  decodeRouteConfiguration(routeConfiguration([routeTo('c', { retry_policy })]));

function decoded(json: RetryPolicyJson): RetryPolicy {
  const action = requireValue(configurationOf(json), 'routes').virtualHosts[0]?.routes[0]?.action;
  if (action?.kind !== 'route' || action.retryPolicy === undefined) throw new Error('a route has the policy');
  return action.retryPolicy;
}

const faultsOf = (json: RetryPolicyJson): string[] =>
  (configurationOf(json).errors ?? []).map(({ path, message }) => `${path.split('.').slice(-2).join('.')}: ${message}`);

const compiled = (json: RetryPolicyJson) => compileRetryPolicy(decoded(json));

function response(status: number, headers: Readonly<Record<string, string>> = {}): ResponseHead {
  const head = new ResponseHead();
  head.status = status;
  for (const [name, value] of Object.entries(headers)) head.headers.add(new HeaderName(name), value);
  return head;
}

const statuses = [200, 400, 409, 429, 499, 500, 501, 502, 503, 504, 599];
const coveredOf = (json: RetryPolicyJson): number[] =>
  statuses.filter((status) => compiled(json).coversResponse?.(response(status)) === true);

describe('a retry policy', () => {
  test('has the defaults of Envoy', () => {
    expect(decoded({ retry_on: '5xx' })).toEqual({
      retryOn: new Set(['5xx']),
      numRetries: 1,
      perTryTimeoutMs: 0,
      perTryIdleTimeoutMs: 0,
      retriableStatusCodes: new Set(),
      retriableHeaders: [],
      retriableRequestHeaders: [],
      backOff: { baseMs: 25, maxMs: 250 },
      rateLimitedBackOff: undefined,
      avoidsPreviousHosts: false,
      hostSelectionAttempts: 1,
    });
  });

  test('without a longest interval waits ten times the shortest at most', () => {
    expect(decoded({ retry_back_off: { base_interval: '0.1s' } }).backOff).toEqual({ baseMs: 100, maxMs: 1000 });
  });

  test.each<[RetryPolicyJson, string]>([
    [{ retry_on: '5xx,never' }, 'retry_policy.retry_on: "never" is not supported'],
    [{ retry_back_off: {} }, 'retry_back_off.base_interval: must be set'],
    [
      { retry_back_off: { base_interval: '1s', max_interval: '0.5s' } },
      'retry_back_off.max_interval: must not be below',
    ],
    [{ rate_limited_retry_back_off: {} }, 'rate_limited_retry_back_off.reset_headers: must name at least one header'],
  ])('%j is refused', (json, expected) => {
    expect(faultsOf(json)).toEqual([expect.stringContaining(expected)]);
  });
});

describe('a response is retried', () => {
  test.each<[RetryPolicyJson, number[]]>([
    [{ retry_on: '5xx' }, [500, 501, 502, 503, 504, 599]],
    [{ retry_on: 'gateway-error' }, [502, 503, 504]],
    [{ retry_on: 'retriable-4xx' }, [409]],
    [{ retry_on: 'retriable-status-codes', retriable_status_codes: [429, 503] }, [429, 503]],
    [{ retry_on: 'connect-failure', retriable_status_codes: [503] }, []],
    [{ retry_on: 'reset,reset-before-request,connect-failure,refused-stream' }, []],
    [{ retry_on: 'gateway-error,retriable-4xx' }, [409, 502, 503, 504]],
  ])('%j: by its status', (json, expected) => {
    expect(coveredOf(json)).toEqual(expected);
  });

  test('by a header of its own, with `retriable-headers`', () => {
    const json = {
      retry_on: 'retriable-headers',
      retriable_headers: [
        { name: 'X-Again', string_match: { exact: 'yes' } },
        { name: ':status', exact_match: '418' },
      ],
    };
    const { coversResponse } = compiled(json);
    expect(coversResponse?.(response(200, { 'x-again': 'yes' }))).toBe(true);
    expect(coversResponse?.(response(418))).toBe(true);
    expect(coversResponse?.(response(200, { 'x-again': 'no' }))).toBe(false);
  });

  test.each([
    ['cancelled', '1'],
    ['deadline-exceeded', '4'],
    ['resource-exhausted', '8'],
    ['internal', '13'],
    ['unavailable', '14'],
  ])('with %s when grpc-status %s stands in its head', (retry_on, status) => {
    const { coversResponse } = compiled({ retry_on });
    const covered = ['0', '1', '4', '8', '13', '14'].filter((each) =>
      coversResponse?.(response(200, { 'grpc-status': each })),
    );
    expect(covered).toEqual([status]);
    expect(coversResponse?.(response(503))).toBe(false);
  });

  test('not when the upstream limits its rate, unless the policy asks for that', () => {
    const limited = response(503, { 'x-envoy-ratelimited': 'true' });
    expect(compiled({ retry_on: '5xx' }).coversResponse?.(limited)).toBe(false);
    expect(compiled({ retry_on: '5xx,envoy-ratelimited' }).coversResponse?.(limited)).toBe(true);
    expect(compiled({ retry_on: 'envoy-ratelimited' }).coversResponse?.(response(503))).toBe(false);
  });
});

describe('a reset is retried', () => {
  test.each([
    ['5xx', true, true, true],
    ['gateway-error', true, true, true],
    ['reset', true, true, true],
    ['reset-before-request', true, false, true],
    ['connect-failure', true, false, false],
    ['refused-stream', false, false, false],
    ['retriable-status-codes', false, false, false],
  ])('with %s: connecting failed %s, after sending %s, before sending %s', (retry_on, connect, after, before) => {
    const { coversReset } = compiled({ retry_on, retriable_status_codes: [503] });
    expect(coversReset('connect_failure', false)).toBe(connect);
    expect(coversReset('upstream_reset', true)).toBe(after);
    expect(coversReset('upstream_reset', false)).toBe(before);
  });

  test('never when it was the circuit breaker that refused', () => {
    expect(compiled({ retry_on: '5xx,reset' }).coversReset('overflow', false)).toBe(false);
  });
});

test('a policy may be limited to requests with a header', () => {
  const { allows } = compiled({ retriable_request_headers: [{ name: ':method', exact_match: 'GET' }] });
  const head = new RequestHead();
  head.method = 'GET';
  expect(allows?.(head)).toBe(true);
  head.method = 'POST';
  expect(allows?.(head)).toBe(false);
  expect(compiled({ retry_on: '5xx' }).allows).toBeUndefined();
});

describe('the time that an upstream asks for', () => {
  const nowMs = () => 1_000_000;
  const backOff = decoded({
    rate_limited_retry_back_off: {
      reset_headers: [{ name: 'Retry-After' }, { name: 'x-reset', format: 'UNIX_TIMESTAMP' }],
      max_interval: '60s',
    },
  }).rateLimitedBackOff;

  test.each<[Record<string, string>, number | undefined]>([
    [{ 'retry-after': '2' }, 2_000],
    [{ 'x-reset': '1010' }, 10_000],
    [{ 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT', 'x-reset': '1001' }, 1_000],
    [{ 'retry-after': '61' }, undefined],
    [{ 'x-reset': '999' }, undefined],
    [{}, undefined],
  ])('%j: %s ms', (headers, expected) => {
    expect(requestedDelayMs(backOff, response(503, headers), nowMs)).toBe(expected);
  });

  test('is not looked for without such a policy', () => {
    expect(requestedDelayMs(undefined, response(503, { 'retry-after': '2' }), nowMs)).toBeUndefined();
  });
});
