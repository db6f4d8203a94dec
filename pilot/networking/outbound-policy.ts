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
import { passthroughClusterName, unknownService } from './original-destination.ts';
import { withProtocolOptions } from './protocol-options.ts';

/** The virtual host of hosts that nobody declared, where requests for them are let through. */
export const allowAnyHostName = 'allow_any';

/** Of all sidecars, whatever their policy: routes change more easily than clusters. */
export function buildPassthroughCluster({ meshConfig }: PushConfig): Cluster {
  const cluster = {
    name: passthroughClusterName,
    ...forwardProxyDiscovery,
    ...buildConnectionPool({}, undefined, meshConfig),
    ...unknownService(passthroughClusterName),
  };
  return withProtocolOptions(cluster, { version: 'downstream' });
}

/** Whether what nobody declared is refused. */
export function isRegistryOnly({ sidecars, meshConfig }: PushConfig, client: Client): boolean {
  return (sidecars.outboundPolicyOf(client) ?? meshConfig.outboundTrafficPolicy?.mode) === 'REGISTRY_ONLY';
}

/** The virtual host of all hosts that have none of their own. */
export function buildCatchAllHost(config: PushConfig, client: Client): VirtualHost {
  const isBlocked = isRegistryOnly(config, client);
  const allowing = client.isIntercepted === true ? allowOriginalDestination : allowAny;
  return {
    name: isBlocked ? 'block_all' : allowAnyHostName,
    domains: ['*'],
    routes: [isBlocked ? blockAll : allowing],
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
  name: allowAnyHostName,
  match: {
    prefix: '/',
    headers: [{ name: ':authority', string_match: { safe_regex: { regex: meshName } }, invert_match: true }],
  },
  route: { cluster: passthroughClusterName, timeout: '0s', max_grpc_timeout: '0s' },
};

/** Whoever made an intercepted connection has looked up the name: its address counts, whatever the name. */
const allowOriginalDestination: Route = { ...allowAny, match: { prefix: '/' } };

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
