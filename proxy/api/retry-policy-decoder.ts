/** Decodes `envoy.config.route.v3.RetryPolicy`. */
import type {
  envoy_config_route_v3_RetryPolicy as RetryPolicyJson,
  RetryPolicy_RateLimitedRetryBackOff as RateLimitedRetryBackOffJson,
  RetryPolicy_RetryBackOff as RetryBackOffJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { show } from './field-path.ts';
import {
  type RateLimitedRetryBackOff,
  type RetryBackOff,
  type RetryOn,
  type RetryPolicy,
  retryConditions,
} from './retry-policy.ts';
import { readHeaderMatch } from './route-match-decoder.ts';

export function readRetryPolicy(fields: Fields<RetryPolicyJson>): RetryPolicy {
  return {
    retryOn: readRetryOn(fields),
    numRetries: fields.number('num_retries', { defaultValue: 1 }),
    perTryTimeoutMs: fields.durationMs('per_try_timeout', 0),
    perTryIdleTimeoutMs: fields.durationMs('per_try_idle_timeout', 0),
    retriableStatusCodes: new Set(fields.take('retriable_status_codes') ?? []),
    retriableHeaders: fields.list('retriable_headers', readHeaderMatch),
    retriableRequestHeaders: fields.list('retriable_request_headers', readHeaderMatch),
    backOff: readBackOff(fields.message('retry_back_off')),
    rateLimitedBackOff: readRateLimitedBackOff(fields.message('rate_limited_retry_back_off')),
    avoidsPreviousHosts: fields.list('retry_host_predicate', readHostPredicate).length > 0,
    hostSelectionAttempts: fields.number('host_selection_retry_max_attempts', { defaultValue: 1 }),
    priorityUpdateFrequency: readRetryPriority(fields.message('retry_priority')),
  };
}

/** Envoy ignores a word that it does not know; here a typing mistake must not switch retries off in silence. */
function readRetryOn(fields: Fields<RetryPolicyJson>): ReadonlySet<RetryOn> {
  const retryOn = new Set<RetryOn>();
  for (const part of fields.text('retry_on').split(',')) {
    const word = part.trim();
    if (word === '') continue;
    const condition = retryConditions.find((known) => known === word);
    if (condition !== undefined) retryOn.add(condition);
    else fields.fail('retry_on', `${show(word)} is not supported, only ${retryConditions.join(', ')}`);
  }
  return retryOn;
}

const defaultBaseMs = 25;

function readBackOff(fields: Fields<RetryBackOffJson> | undefined): RetryBackOff {
  if (fields === undefined) return { baseMs: defaultBaseMs, maxMs: 10 * defaultBaseMs };
  if (!fields.has('base_interval')) fields.fail('base_interval', 'must be set');
  const baseMs = fields.durationMs('base_interval', defaultBaseMs);
  if (baseMs < 1) fields.fail('base_interval', `must be at least 1 ms, got ${baseMs} ms`);
  const maxMs = fields.durationMs('max_interval', 10 * baseMs);
  if (maxMs < baseMs) fields.fail('max_interval', `must not be below base_interval, ${baseMs} ms, got ${maxMs} ms`);
  return { baseMs, maxMs };
}

function readRateLimitedBackOff(
  fields: Fields<RateLimitedRetryBackOffJson> | undefined,
): RateLimitedRetryBackOff | undefined {
  if (fields === undefined) return undefined;
  const resetHeaders = fields.list('reset_headers', (header) => ({
    name: header.name('name').toLowerCase(),
    format: header.choice('format', ['SECONDS', 'UNIX_TIMESTAMP']),
  }));
  if (resetHeaders.length === 0) fields.fail('reset_headers', 'must name at least one header');
  return { resetHeaders, maxMs: fields.durationMs('max_interval', 300_000) };
}

function readHostPredicate(fields: Fields<NonNullable<RetryPolicyJson['retry_host_predicate']>[number]>): true {
  fields.name('name');
  fields.typed<true>('typed_config', {
    'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate': () => true,
  });
  return true;
}

function readRetryPriority(
  fields: Fields<NonNullable<RetryPolicyJson['retry_priority']>> | undefined,
): number | undefined {
  fields?.name('name');
  return fields?.typed<number>('typed_config', {
    'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig': (config) =>
      config.number('update_frequency', { defaultValue: 0, min: 1 }),
  });
}
