/**
 * What becomes of requests for hosts that nobody declared: the mesh's outbound policy, in Istio's words and under Istio's
 * names.
 */
import { clusterDomain } from '../../crds/host.ts';
import type { Cluster, Route, VirtualHost } from '../../proxy/api/envoy.gen.ts';
import type { PushConfig } from '../model/push-context.ts';
import { buildConnectionPool } from './connection-pool.ts';
import { forwardProxyDiscovery } from './forward-proxy.ts';
import type { Client } from '../model/client.ts';

const passthroughClusterName = 'PassthroughCluster';

/** Of all sidecars, whatever their policy: routes change more easily than clusters. */
export function buildPassthroughCluster({ meshConfig }: PushConfig): Cluster {
  const service = { host: passthroughClusterName, name: passthroughClusterName, namespace: '' };
  return {
    name: passthroughClusterName,
    ...forwardProxyDiscovery,
    ...buildConnectionPool({}, undefined, meshConfig),
    metadata: { filter_metadata: { istio: { services: [service] } } },
  };
}

/** The virtual host of all hosts that have none of their own. */
export function buildCatchAllHost(config: PushConfig, client: Client): VirtualHost {
  const policy = config.sidecars.outboundPolicyOf(client) ?? config.meshConfig.outboundTrafficPolicy?.mode;
  const isBlocked = policy === 'REGISTRY_ONLY';
  return {
    name: isBlocked ? 'block_all' : 'allow_any',
    domains: ['*'],
    routes: [isBlocked ? blockAll : allowAny],
    include_request_attempt_count: true,
  };
}

/**
 * Names that only services of the mesh can have: without a dot, or in the cluster's domain. Nobody outside is asked for
 * them: one that is misspelt, or whose workloads are not there yet, finds no route (404 NR) instead of whatever a search
 * domain makes of it. A host of the network without a dot needs a ServiceEntry.
 */
const meshName = String.raw`(?i)(?:[^.:\[\]]*|.*\.svc(?:\.${clusterDomain.replace('.', String.raw`\.`)})?\.?)(?::\d*)?`;

const allowAny: Route = {
  name: 'allow_any',
  match: {
    prefix: '/',
    headers: [{ name: ':authority', string_match: { safe_regex: { regex: meshName } }, invert_match: true }],
  },
  route: { cluster: passthroughClusterName, timeout: '0s', max_grpc_timeout: '0s' },
};

const blockedReason = 'is declared by no service, and the outbound traffic policy is REGISTRY_ONLY';

/** Envoy flags no answer that routes give: the header says why, as for all answers of the sidecar. */
const blockAll: Route = {
  name: 'block_all',
  match: { prefix: '/' },
  direct_response: { status: 502, body: { inline_string: `the host ${blockedReason}` } },
  response_headers_to_add: [
    {
      header: { key: 'x-heddle-reason', value: `- %REQ(:AUTHORITY)% ${blockedReason}` },
      append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
    },
  ],
};
