/** Hash policies of a route: what sticky splits (B5) and the consistent hashing of its destinations (D8) go by. */
import { parseSticky, stickyAnnotation, type StickyKey } from '../../crds/sticky.ts';
import type { ConsistentHash } from '../../crds/traffic-policy.ts';
import type {
  RouteAction,
  RouteAction_HashPolicy as HashPolicy,
  WeightedCluster_ClusterWeight as ClusterWeight,
} from '../../proxy/api/envoy.gen.ts';
import { formatProtoDuration } from '../../proxy/common/duration.ts';
import type { Client } from '../model/client.ts';
import { policyOf } from '../model/destination-rules.ts';
import type { PushConfig } from '../model/push-context.ts';
import type { VirtualService } from '../model/virtual-services.ts';
import { parseOutboundClusterName } from './cluster-name.ts';
import { protoDurationOf } from './proto-duration.ts';

export interface HashContext {
  readonly config: PushConfig;
  readonly client: Client;
  /** Undefined for the default route. */
  readonly rules?: VirtualService;
}

/**
 * The action with what its requests are hashed by, if anything asks for that. With a sticky split its key comes first and
 * is terminal: what chooses the cluster chooses the host too, and other keys count where it is missing.
 */
export function addHashPolicies(action: RouteAction, context: HashContext): RouteAction {
  const { cluster, weighted_clusters: weighted } = action;
  const clusters = weighted?.clusters ?? [];
  const names = cluster === undefined ? clusters.map(({ name = '' }) => name) : [cluster];
  const policies = names.flatMap((name) => buildClusterPolicies(name, context));
  const sticky = clusters.length > 1 ? stickyKeyOf(context.rules) : undefined;
  if (sticky !== undefined) policies.unshift({ ...buildStickyPolicy(sticky), terminal: true });
  if (policies.length === 0) return action;
  const unique = new Map(policies.map((policy) => [JSON.stringify(policy), policy]));
  const split = { ...weighted, clusters: fixSum(clusters), use_hash_policy: true };
  return {
    ...action,
    ...(sticky === undefined ? {} : { weighted_clusters: split }),
    hash_policy: [...unique.values()],
  };
}

function stickyKeyOf(rules: VirtualService | undefined): StickyKey | undefined {
  const text = rules?.metadata.annotations?.[stickyAnnotation];
  return text === undefined ? undefined : parseSticky(text);
}

/** Sum of the weights of a sticky split. */
const stickyTotal = 1_000_000;

/**
 * The same shares as weights of one fixed sum, because a hash is taken modulo the sum: were 90 and 10 followed by 9 and 2,
 * everybody would be dealt anew. Where one share ends and the next begins is rounded, so no rounding adds up.
 */
function fixSum(clusters: readonly ClusterWeight[]): ClusterWeight[] {
  const total = clusters.reduce((sum, { weight = 0 }) => sum + weight, 0);
  let passed = 0;
  let end = 0;
  return clusters.map((cluster) => {
    const start = end;
    passed += cluster.weight ?? 0;
    end = Math.round((passed / total) * stickyTotal);
    return { ...cluster, weight: end - start };
  });
}

function buildClusterPolicies(clusterName: string, { config, client }: HashContext): HashPolicy[] {
  const cluster = parseOutboundClusterName(clusterName);
  const service = cluster && config.services.visibleTo(client.namespace).find(cluster.hostname);
  if (cluster === undefined || service === undefined) return [];
  const rule = config.destinationRules.find(service, client);
  const subset = rule?.subsets.find(({ name }) => name === cluster.subset);
  const { consistentHash } = policyOf(rule, subset, cluster.port).loadBalancer ?? {};
  return consistentHash === undefined ? [] : buildConsistentHashPolicy(consistentHash);
}

function buildConsistentHashPolicy(hash: ConsistentHash): HashPolicy[] {
  const { httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName } = hash;
  if (httpHeaderName !== undefined) return [{ header: { header_name: httpHeaderName } }];
  if (httpQueryParameterName !== undefined) return [{ query_parameter: { name: httpQueryParameterName } }];
  if (useSourceIp === true) return [{ connection_properties: { source_ip: true } }];
  if (httpCookie === undefined) return [];
  const { name, path, ttl, attributes = [] } = httpCookie;
  return [
    {
      cookie: {
        name,
        ...(ttl === undefined ? {} : { ttl: protoDurationOf(ttl) }),
        ...(path === undefined ? {} : { path }),
        ...(attributes.length === 0 ? {} : { attributes: [...attributes] }),
      },
    },
  ];
}

function buildStickyPolicy(key: StickyKey): HashPolicy {
  switch (key.kind) {
    case 'header':
      return { header: { header_name: key.name } };
    case 'source':
      return { connection_properties: { source_ip: true } };
    case 'cookie': {
      const { name, ttlMs } = key;
      // One cookie for all paths, or the split would be another one under each.
      return { cookie: ttlMs === undefined ? { name } : { name, ttl: formatProtoDuration(ttlMs), path: '/' } };
    }
  }
}
