/** Decodes where a route leads: `envoy.config.route.v3.RouteAction`. */
import type {
  HedgePolicy as HedgePolicyJson,
  RouteAction as RouteActionJson,
  WeightedCluster as WeightedClusterJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { readRouteHash } from './hash-policy-decoder.ts';
import { noMutations, readHeaderMutations } from './header-mutation-decoder.ts';
import { readRequestMirrorPolicy } from './mirror-decoder.ts';
import { readHost, readPathRewrite } from './path-rewrite-decoder.ts';
import { readRouteRateLimit } from './rate-limit-decoder.ts';
import { readRetryPolicy } from './retry-policy-decoder.ts';
import type { RouteAction, WeightedCluster } from './route.ts';
import { readUpgradeConfigs } from './upgrade-decoder.ts';

export function readRouteAction(fields: Fields<RouteActionJson>): RouteAction {
  const retryPolicy = fields.message('retry_policy');
  const weighted = fields.message('weighted_clusters');
  return {
    kind: 'route',
    clusters: readClusters(fields, weighted),
    hash: readRouteHash(fields, weighted?.flag('use_hash_policy') ?? false),
    timeoutMs: fields.durationMs('timeout', 15_000),
    maxGrpcTimeoutMs: fields.has('max_grpc_timeout') ? fields.durationMs('max_grpc_timeout', 0) : undefined,
    idleTimeoutMs: fields.has('idle_timeout') ? fields.durationMs('idle_timeout', 0) : undefined,
    retryPolicy: retryPolicy && readRetryPolicy(retryPolicy),
    hedgesOnPerTryTimeout: readHedging(fields.message('hedge_policy')),
    rateLimits: fields.list('rate_limits', readRouteRateLimit),
    upgradeConfigs: fields.has('upgrade_configs') ? readUpgradeConfigs(fields) : undefined,
    requestMirrorPolicies: fields.list('request_mirror_policies', readRequestMirrorPolicy),
    pathRewrite: readPathRewrite(fields),
    hostRewrite: readHost(fields, 'host_rewrite_literal'),
  };
}

/** Envoy itself does nothing with the other two fields. */
function readHedging(fields: Fields<HedgePolicyJson> | undefined): boolean {
  fields?.only('initial_requests', 1);
  return fields?.flag('hedge_on_per_try_timeout') ?? false;
}

function readClusters(
  fields: Fields<RouteActionJson>,
  weighted: Fields<WeightedClusterJson> | undefined,
): WeightedCluster[] {
  if (weighted !== undefined) return readWeightedClusters(weighted);
  if (fields.has('cluster')) {
    return [{ name: fields.name('cluster'), weight: 1, headers: noMutations, hostRewrite: undefined }];
  }
  fields.failHere('must have one of cluster and weighted_clusters');
  return [];
}

/** Clusters of weight 0 get nothing and are left out. */
function readWeightedClusters(fields: Fields<WeightedClusterJson>): WeightedCluster[] {
  const clusters = fields.list('clusters', (cluster) => ({
    name: cluster.name('name'),
    weight: cluster.number('weight', { defaultValue: 0 }),
    headers: readHeaderMutations(cluster),
    hostRewrite: readHost(cluster, 'host_rewrite_literal'),
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
