/** Decodes `envoy.config.cluster.v3.CircuitBreakers`. */
import type { CircuitBreakers, RetryBudget } from './circuit-breakers.ts';
import type {
  CircuitBreakers as CircuitBreakersJson,
  CircuitBreakers_Thresholds as ThresholdsJson,
  CircuitBreakers_Thresholds_RetryBudget as RetryBudgetJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';

const maxUint32 = 2 ** 32 - 1;

/** What Envoy does without any configuration. */
const envoyDefaults: CircuitBreakers = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: undefined,
  isRemainingTracked: false,
};

/** All requests have the DEFAULT priority, so one element is all that can have an effect. */
export function readCircuitBreakers(fields: Fields<CircuitBreakersJson> | undefined): CircuitBreakers {
  if (fields === undefined) return envoyDefaults;
  const thresholds = fields.list('thresholds', readThresholds);
  if (thresholds.length > 1) fields.fail('thresholds', 'must have one element: there is one priority');
  return thresholds[0] ?? envoyDefaults;
}

function readThresholds(fields: Fields<ThresholdsJson>): CircuitBreakers {
  fields.only('priority', 'DEFAULT');
  const limit = (key: 'max_connections' | 'max_pending_requests' | 'max_requests', defaultValue: number): number =>
    fields.number(key, { defaultValue, max: maxUint32 });
  const budget = fields.message('retry_budget');
  return {
    maxConnections: limit('max_connections', envoyDefaults.maxConnections),
    maxPendingRequests: limit('max_pending_requests', envoyDefaults.maxPendingRequests),
    maxRequests: limit('max_requests', envoyDefaults.maxRequests),
    maxRetries: fields.number('max_retries', { defaultValue: envoyDefaults.maxRetries, max: maxUint32 }),
    retryBudget: budget && readRetryBudget(budget),
    isRemainingTracked: fields.flag('track_remaining'),
  };
}

function readRetryBudget(fields: Fields<RetryBudgetJson>): RetryBudget {
  const percent = fields.message('budget_percent');
  return {
    percent: percent?.number('value', { defaultValue: 0, max: 100 }) ?? 20,
    minRetryConcurrency: fields.number('min_retry_concurrency', { defaultValue: 3, max: maxUint32 }),
  };
}
