/** What a route and its cluster do beside leading somewhere: one line each, read from what the proxy has decoded. */
import type { Cluster } from '../../../proxy/api/cluster.ts';
import type { FilterConfig } from '../../../proxy/api/filter-config.ts';
import type { RetryPolicy } from '../../../proxy/api/retry-policy.ts';
import type { RouteAction, StringMatcher } from '../../../proxy/api/route.ts';
import type { CompiledRoute } from '../../../proxy/router/route-table.ts';
import type { RequestHead } from '../../../proxy/http/message-head.ts';
import { isIdempotent } from '../../../proxy/router/retry-state.ts';
import { keyNames } from './destination.ts';
import type { InForce } from './explanation.ts';
import type { Trace } from './traced-proxy.ts';

export function listInForce({ route, cluster, response, delayMs, received }: Trace): InForce[] {
  if (route === undefined) return [];
  const { action } = route;
  const filters = Object.values(route.filterConfigs ?? {}).map((config) =>
    describeFilter(config, { response, delayMs }),
  );
  const routing = action.kind === 'route' ? describeAction(action, route, received) : [];
  return [...filters, ...routing, ...(cluster === undefined ? [] : describeCluster(cluster.config))];
}

function describeFilter(config: FilterConfig, happened: Pick<Trace, 'response' | 'delayMs'>): InForce {
  switch (config.kind) {
    case 'fault':
      return { what: 'fault', how: describeFault(config, happened) };
    case 'cors': {
      const origins = config.allowOrigins.map(matcherText).join(', ');
      const methods = config.allowMethods === '' ? '' : `, methods ${config.allowMethods}`;
      return { what: 'cors', how: `origins ${origins || 'none'}${methods}` };
    }
    case 'rate_limit_quota': {
      const limits = new Set(
        config.buckets.flatMap(({ settings: { id } }) =>
          Object.entries(id).map(([name, limit]) => `${name}: ${limit}`),
        ),
      );
      return { what: 'global rate limit', how: [...limits].join('; ') };
    }
    case 'local_ratelimit': {
      const limits = config.descriptors.map(
        ({ entries, tokenBucket: { tokensPerFill, maxTokens, fillIntervalMs } }) => {
          const burst = maxTokens === tokensPerFill ? '' : `, burst ${maxTokens}`;
          const name = entries.map(({ value }) => value).join(' ');
          return `${name}: ${tokensPerFill} per ${durationText(fillIntervalMs)}${burst}`;
        },
      );
      const isShadow = config.enforcedProbability === 0;
      return { what: 'rate limit', how: `${limits.join('; ')}${isShadow ? ' (only counted)' : ''}` };
    }
    case 'ext_authz_per_route':
      return { what: 'authorization', how: config.isDisabled ? 'nobody is asked' : 'a service is asked' };
    case 'custom_response':
      return { what: 'refusals', how: describeResponses(config) };
    case 'rbac':
      return { what: 'check rules', how: describeRbac(config) };
  }
}

function describeResponses({ responses }: FilterConfig & { kind: 'custom_response' }): string {
  const parts = responses.map(({ conditions, status }) => {
    const policy = conditions.find(({ key }) => key.endsWith('effective_policy_id'))?.value ?? 'whom no rule allows';
    return `${policy}: ${status ?? 403}`;
  });
  return parts.join('; ');
}

function describeRbac({ rules, shadowRules }: FilterConfig & { kind: 'rbac' }): string {
  const parts = [rules, shadowRules].flatMap((each) => {
    if (each === undefined) return [];
    const names = each.policies.map(({ name }) => name).join(', ');
    return [`${each.action} ${names || 'nothing'}${each === shadowRules ? ' (only counted)' : ''}`];
  });
  return parts.join('; ') || 'none';
}

function describeFault(
  { delay, abort }: FilterConfig & { kind: 'fault' },
  { response, delayMs }: Pick<Trace, 'response' | 'delayMs'>,
): string {
  const parts = [];
  if (delay !== undefined) {
    const hit = delayMs > 0 ? 'this one too' : 'not this one';
    parts.push(`delay ${durationText(delay.delayMs)} for ${percentText(delay.probability)}, ${hit}`);
  }
  if (abort !== undefined) {
    const hit = response.flag.includes('FI') ? 'this one too' : 'not this one';
    const { kind, status } = abort.error;
    parts.push(
      `abort with ${kind === 'grpc' ? 'gRPC status ' : ''}${status} for ${percentText(abort.probability)}, ${hit}`,
    );
  }
  return parts.join('; ');
}

function describeAction(action: RouteAction, { retryPolicy }: CompiledRoute, head: RequestHead): InForce[] {
  const { timeoutMs, hash, requestMirrorPolicies } = action;
  const lines: InForce[] = [{ what: 'timeout', how: timeoutMs === 0 ? 'none' : durationText(timeoutMs) }];
  lines.push({ what: 'retries', how: retryPolicy === undefined ? 'none' : describeRetries(retryPolicy.policy) });
  const reused = isIdempotent(head) ? 'repeated once' : `not repeated, ${head.method} has no idempotency-key`;
  lines.push({ what: 'reset if reused', how: reused });
  if (hash !== undefined) {
    const use = hash.choosesCluster ? 'destination and endpoint' : 'endpoint';
    lines.push({ what: 'hash policy', how: `${keyNames(action)} chooses the ${use}` });
  }
  for (const { clusterName, probability } of requestMirrorPolicies) {
    lines.push({ what: 'mirror', how: `${percentText(probability)} to ${clusterName}` });
  }
  return lines;
}

function describeRetries(policy: RetryPolicy): string {
  const { numRetries, retryOn, retriableStatusCodes, perTryTimeoutMs, backOff, avoidsPreviousHosts } = policy;
  const conditions = [...retryOn].filter((condition) => condition !== 'retriable-status-codes');
  const parts = [
    `${numRetries} after the first attempt, on ${[...conditions, ...retriableStatusCodes].join(',')}`,
    ...(perTryTimeoutMs > 0 ? [`${durationText(perTryTimeoutMs)} per try`] : []),
    `back-off from ${durationText(backOff.baseMs)} to ${durationText(backOff.maxMs)}`,
    ...(avoidsPreviousHosts ? ['other endpoints first'] : []),
  ];
  return parts.join(', ');
}

function describeCluster(cluster: Cluster): InForce[] {
  const { lbPolicy, outlierDetection, circuitBreakers, connectTimeoutMs } = cluster;
  const lines: InForce[] = [{ what: 'load balancer', how: lbPolicy }];
  if (cluster.protocol === 'http2') lines.push({ what: 'endpoint', how: 'is spoken to in HTTP/2' });
  const { retryBudget } = circuitBreakers;
  const unlimited = 2 ** 32 - 1;
  const limits = Object.entries({
    connections: circuitBreakers.maxConnections,
    pending: circuitBreakers.maxPendingRequests,
    requests: circuitBreakers.maxRequests,
  }).flatMap(([name, limit]) => (limit >= unlimited ? [] : [`${limit} ${name}`]));
  if (limits.length > 0) lines.push({ what: 'circuit breaker', how: limits.join(', ') });
  if (retryBudget !== undefined) {
    const { percent, minRetryConcurrency } = retryBudget;
    lines.push({ what: 'retry budget', how: `${percent} % of the active requests, at least ${minRetryConcurrency}` });
  }
  if (outlierDetection !== undefined) lines.push({ what: 'outliers', how: 'are ejected' });
  lines.push({ what: 'connect', how: `within ${durationText(connectTimeoutMs)}` });
  return lines;
}

function matcherText(matcher: StringMatcher): string {
  return matcher.kind === 'safe_regex' ? `regex "${matcher.regex}"` : `${matcher.kind} "${matcher.value}"`;
}

function percentText(probability: number): string {
  return `${Math.round(probability * 1_000_000) / 10_000} %`;
}

export function durationText(ms: number): string {
  return ms >= 1000 && ms % 100 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}
