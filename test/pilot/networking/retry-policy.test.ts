import { describe, expect, test } from 'vitest';
import { buildRetryBudget } from '../../../pilot/networking/retry-budget.ts';
import { buildRetryPolicy, inboundRetryPolicy } from '../../../pilot/networking/retry-policy.ts';

const toCluster = { cluster: 'c' };

describe('S22: the retry policy of a route', () => {
  test('without `retries` repeats twice what never reached an application, at other hosts', () => {
    expect(buildRetryPolicy(undefined, toCluster)).toMatchObject({
      retry_on: 'connect-failure,refused-stream',
      num_retries: 2,
      host_selection_retry_max_attempts: 5,
      retry_host_predicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
    });
  });

  test('does not avoid previous hosts where a hash chooses, or where the rule says so', () => {
    const hashed = { ...toCluster, hash_policy: [{ header: { header_name: 'user' } }] };
    expect(buildRetryPolicy(undefined, hashed)).not.toHaveProperty('retry_host_predicate');
    expect(buildRetryPolicy({ attempts: 1, retryIgnorePreviousHosts: false }, toCluster)).not.toHaveProperty(
      'retry_host_predicate',
    );
  });
});

test('S22: on the way to the application what did not reach it is repeated twice, but gRPC never', () => {
  expect(inboundRetryPolicy).toMatchObject({
    retry_on: 'reset-before-request',
    num_retries: 2,
    retriable_request_headers: [{ name: 'content-type', invert_match: true }],
  });
});

describe('S23: what a rule says about retries', () => {
  test.each([[{}], [{ attempts: 0 }]])('%j turns them off', (retries) => {
    expect(buildRetryPolicy(retries, toCluster)).toBeUndefined();
  });

  test('number, time and back-off are its own; the conditions stay safe unless it names some', () => {
    expect(buildRetryPolicy({ attempts: 5, perTryTimeout: '250ms', backoff: '1s' }, toCluster)).toMatchObject({
      retry_on: 'connect-failure,refused-stream',
      num_retries: 5,
      per_try_timeout: expect.stringMatching(/^0\.250*s$/),
      retry_back_off: { base_interval: '1s' },
    });
  });

  test('what is repeated is repeated when its sender asks for it in Retry-After', () => {
    const backOff = { reset_headers: [{ name: 'Retry-After' }], max_interval: '10s' };
    expect(buildRetryPolicy({ attempts: 1 }, toCluster)).toMatchObject({ rate_limited_retry_back_off: backOff });
    expect(buildRetryPolicy(undefined, toCluster)).not.toHaveProperty('rate_limited_retry_back_off');
  });

  test('numbers among the conditions are statuses', () => {
    expect(buildRetryPolicy({ attempts: 1, retryOn: '503, reset,429' }, toCluster)).toMatchObject({
      retry_on: 'reset,retriable-status-codes',
      retriable_status_codes: [503, 429],
    });
    expect(buildRetryPolicy({ attempts: 1, retryOn: 'retriable-status-codes,503' }, toCluster)).toMatchObject({
      retry_on: 'retriable-status-codes',
    });
  });
});

describe('B2: the retry budget of a cluster', () => {
  const budgetOf = (percent: number, min_retry_concurrency: number): object => ({
    retry_budget: { budget_percent: { value: percent }, min_retry_concurrency },
  });

  test('is on by default: 20 %, at least 3', () => {
    expect(buildRetryBudget(undefined, undefined)).toEqual(budgetOf(20, 3));
    expect(buildRetryBudget({}, undefined)).toEqual(budgetOf(20, 3));
  });

  test('is what the rule says', () => {
    expect(buildRetryBudget({ percent: 0, minRetryConcurrency: 10 }, 5)).toEqual(budgetOf(0, 10));
  });

  test('gives way to a number of retries that the user set', () => {
    expect(buildRetryBudget(undefined, 5)).toEqual({});
  });
});
