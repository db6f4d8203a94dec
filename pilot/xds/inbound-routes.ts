/**
 * Route configurations of workloads' inbound listeners. They come by RDS, though each has one route only: a check rule that
 * comes or goes changes them, and must cut no connection.
 */
import { isIntercepted } from '../../proxy/api/interception.ts';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { resourceTypes } from '../../proxy/api/resource-types.ts';
import type { CheckRules, Enforcer } from '../model/check-rules.ts';
import { inboundPortsOf } from '../model/inbound-ports.ts';
import { memoize } from '../model/memoize.ts';
import type { PushConfig, PushContext } from '../model/push-context.ts';
import { clusterHostname } from '../model/service.ts';
import { buildCheckFilters } from '../networking/check-rules.ts';
import { inboundClusterName } from '../networking/cluster-name.ts';
import { buildInboundRoutes } from '../networking/listeners.ts';
import { isTracing } from '../networking/tracing.ts';
import { enforcerOf } from './enforcers.ts';
import { hasInbound } from './listener-sets.ts';
import type { EncodedResource, ResourceEncoder } from './resource-encoder.ts';

/** Port of the application → the service whose spans its requests are named after. */
type InboundHostnames = ReadonlyMap<number, string | undefined>;

interface RouteKey {
  readonly appPort: number;
  readonly hostname: string | undefined;
  readonly isTraced: boolean;
  readonly enforcer: Enforcer;
}

/** By node and name; undefined for a name that is none of these. */
export function createInboundRoutes(encoder: ResourceEncoder) {
  const encoded = memoize((checks: CheckRules, { enforcer, isTraced, ...port }: RouteKey): EncodedResource => {
    const routes = buildInboundRoutes(port, isTraced);
    const filters = buildCheckFilters(checks.for(enforcer), port.appPort);
    return encoder.encode(routes.name ?? '', resourceTypes.RDS.messageName, { ...routes, ...filters });
  });
  const ports = memoize((config: PushConfig, _key: null) =>
    memoize((node: NodeMetadata, _node: null) => hostnamesOf(node, config)),
  );
  return (node: NodeMetadata, { config, checks }: PushContext, name: string): EncodedResource | undefined => {
    const appPort = Number(/^inbound\|(\d{1,5})\|\|$/.exec(name)?.[1] ?? 0);
    if (appPort === 0) return undefined;
    const hostnames = ports(config, null)(node, null);
    if (!hostnames.has(appPort) || name !== inboundClusterName(appPort)) return undefined;
    const isTraced = isTracing(config.meshConfig);
    const hostname = isTraced ? hostnames.get(appPort) : undefined;
    return encoded(checks, { appPort, hostname, isTraced, enforcer: enforcerOf(node, { config, checks }) });
  };
}

function hostnamesOf(node: NodeMetadata, config: PushConfig): InboundHostnames {
  if (isIntercepted(node)) {
    return new Map(inboundPortsOf(node, config).map(({ number, hostname }) => [number, hostname]));
  }
  const hostname = node.service === '' ? undefined : clusterHostname(node.service, node.namespace);
  return new Map(hasInbound(node) ? [[node.appPort, hostname]] : []);
}
