/** Decodes what a route does: `envoy.config.route.v3.RouteAction` and `DirectResponseAction`. */
import type {
  DirectResponseAction as DirectResponseActionJson,
  envoy_config_route_v3_RetryPolicy as RetryPolicyJson,
  RouteAction as RouteActionJson,
  WeightedCluster as WeightedClusterJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { show } from './field-path.ts';
import type { DirectResponseAction, RetryOn, RetryPolicy, RouteAction, WeightedCluster } from './route.ts';

export function readRouteAction(fields: Fields<RouteActionJson>): RouteAction {
  const retryPolicy = fields.message('retry_policy');
  return {
    kind: 'route',
    clusters: readClusters(fields),
    timeoutMs: fields.durationMs('timeout', 15_000),
    retryPolicy: retryPolicy && readRetryPolicy(retryPolicy),
  };
}

function readClusters(fields: Fields<RouteActionJson>): WeightedCluster[] {
  const weighted = fields.message('weighted_clusters');
  if (weighted !== undefined) return readWeightedClusters(weighted);
  if (fields.has('cluster')) return [{ name: fields.name('cluster'), weight: 1 }];
  fields.failHere('must have one of cluster and weighted_clusters');
  return [];
}

/** Clusters of weight 0 get nothing and are left out. */
function readWeightedClusters(fields: Fields<WeightedClusterJson>): WeightedCluster[] {
  const clusters = fields.list('clusters', (cluster) => ({
    name: cluster.name('name'),
    weight: cluster.number('weight', { defaultValue: 0 }),
  }));
  const sum = clusters.reduce((total, { weight }) => total + weight, 0);
  if (sum === 0) fields.fail('clusters', 'must have a sum of weights above 0');
  if (sum > 2 ** 32 - 1) fields.fail('clusters', `must have a sum of weights below 2^32, got ${sum}`);
  const expectedSum = fields.take('total_weight');
  if (expectedSum !== undefined && expectedSum !== sum) {
    fields.fail('total_weight', `must be the sum of the weights, ${sum}, got ${expectedSum}`);
  }
  // Only names the runtime keys that could override the weights; Heddle has no runtime.
  fields.ignore('runtime_key_prefix');
  return clusters.filter(({ weight }) => weight > 0);
}

const retryConditions: readonly RetryOn[] = ['connect-failure', 'refused-stream', 'reset', 'reset-before-request'];

/** Envoy's default is one retry. */
function readRetryPolicy(fields: Fields<RetryPolicyJson>): RetryPolicy {
  const words = fields
    .text('retry_on')
    .split(',')
    .map((word) => word.trim());
  const retryOn = new Set<RetryOn>();
  for (const word of words.filter((word) => word !== '')) {
    const condition = retryConditions.find((known) => known === word);
    if (condition !== undefined) retryOn.add(condition);
    else fields.fail('retry_on', `${show(word)} is not supported, only ${retryConditions.join(', ')}`);
  }
  return { retryOn, numRetries: fields.number('num_retries', { defaultValue: 1 }) };
}

/** Envoy's default of `max_direct_response_body_size_bytes`. */
export const defaultMaxBodyBytes = 4096;

export function readDirectResponse(
  fields: Fields<DirectResponseActionJson>,
  maxBodyBytes: number,
): DirectResponseAction {
  const source = fields.message('body');
  const encoded = source?.take('inline_bytes');
  const body = encoded === undefined ? (source?.text('inline_string') ?? '') : decodeBase64(encoded);
  if (Buffer.byteLength(body) > maxBodyBytes) {
    fields.fail('body', `must have at most ${maxBodyBytes} bytes, got ${Buffer.byteLength(body)}`);
  }
  return { kind: 'direct_response', status: fields.number('status', { defaultValue: 0, min: 200, max: 599 }), body };
}

function decodeBase64(encoded: string): string {
  return Buffer.from(encoded, 'base64').toString();
}
