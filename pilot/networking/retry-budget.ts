/** How many retries a cluster allows at once. */
import type { TrafficPolicy } from '../../crds/traffic-policy.ts';
import type { CircuitBreakers_Thresholds } from '../../proxy/api/envoy.gen.ts';

/** Envoy's own defaults of a budget, which Heddle switches on: a retry must never become the load (B2). */
const defaultPercent = 20;
const defaultMinRetryConcurrency = 3;

/**
 * The budget, unless the user wants a fixed number of retries instead (`maxRetries`): Envoy forgets that number where a
 * budget is given.
 */
export function buildRetryBudget(
  retryBudget: TrafficPolicy['retryBudget'],
  maxRetries: number | undefined,
): Pick<CircuitBreakers_Thresholds, 'retry_budget'> {
  if (retryBudget === undefined && maxRetries) return {};
  const { percent = defaultPercent, minRetryConcurrency = defaultMinRetryConcurrency } = retryBudget ?? {};
  return { retry_budget: { budget_percent: { value: percent }, min_retry_concurrency: minRetryConcurrency } };
}
