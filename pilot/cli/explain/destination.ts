/** Where a request goes and why it goes there. */
import type { RouteAction } from '../../../proxy/api/route.ts';
import type { RequestHead } from '../../../proxy/http/message-head.ts';
import { requestHeaderReader } from '../../../proxy/http/header-reader.ts';
import { readCookie } from '../../../proxy/router/hash-policy.ts';
import { firstQueryValue } from '../../../proxy/router/request-path.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { clientOf } from '../../model/client.ts';
import type { PushConfig } from '../../model/push-context.ts';
import { destinationOf } from '../../../proxy/upstream/dns/destination.ts';
import { parseOutboundClusterName } from '../../networking/cluster-name.ts';
import type { ExplainedDestination } from './explanation.ts';
import type { MeshView } from './mesh-view.ts';
import { type TracedProxy, type Trace, unknownAddress } from './traced-proxy.ts';

export interface DestinationInput {
  readonly trace: Trace;
  readonly proxy: TracedProxy;
  readonly config: PushConfig;
  readonly node: NodeMetadata;
  readonly view: MeshView;
}

/** Undefined when the proxy answers itself before it chooses a cluster. */
export function explainDestination(input: DestinationInput): ExplainedDestination | undefined {
  const { trace, proxy, config, node, view } = input;
  const name = trace.cluster?.config.name ?? unknownClusterName(trace);
  const action = trace.route?.action;
  if (name === undefined || action?.kind !== 'route') return undefined;
  const { hostname, subset, port } = parseOutboundClusterName(name) ?? { hostname: name, subset: '', port: 0 };
  const service = config.services.visibleTo(node.namespace).find(hostname);
  const client = clientOf(node, config.destinationRules.selectorLabels);
  const sources = (service && config.destinationRules.find(service, client)?.sources) ?? [];
  const hosts = proxy.cluster(name)?.hosts;
  const followsRequest = trace.cluster?.config.discovery.kind === 'dynamic_forward_proxy';
  const own = followsRequest ? destinationOf(trace.received.authority) : undefined;
  const isAssumed = followsRequest || hosts?.some(({ endpoint }) => endpoint.address === unknownAddress) === true;
  return {
    cluster: name,
    host: own?.name ?? hostname,
    subset,
    port: own?.port ?? port,
    why: describeChoice(name, action, trace),
    destinationRules: sources.map((source) => ({
      name: source,
      place: view.locate({ kind: 'DestinationRule', name: source }, ''),
    })),
    endpoints: isAssumed ? undefined : hosts?.length,
    isKnown: hosts !== undefined,
  };
}

/** The router's reason names the cluster that it did not find. */
function unknownClusterName({ response: { flag, reason } }: Trace): string | undefined {
  return flag === 'NC' ? /^the cluster (\S+) of the route/.exec(reason ?? '')?.[1] : undefined;
}

function describeChoice(name: string, action: RouteAction, trace: Trace): string {
  const { clusters, hash } = action;
  if (clusters.length === 1) return 'the only destination';
  const total = clusters.reduce((sum, { weight }) => sum + weight, 0);
  const percent = (weight: number): number => Math.round((weight / total) * 10_000) / 100;
  const index = clusters.findIndex((cluster) => cluster.name === name);
  const from = clusters.slice(0, index).reduce((sum, { weight }) => sum + weight, 0);
  const weight = clusters[index]?.weight ?? 0;
  const share = `weighted, ${percent(weight)} %: from ${percent(from)} to ${percent(from + weight)}`;
  const { value } = trace.hash;
  if (hash?.choosesCluster === true && value !== undefined) {
    return `sticky, by ${describeKeys(action, trace.received)}: hash ${value} is at ${percent(value % total)}; ${share}`;
  }
  const sticky = hash?.choosesCluster === true ? `not sticky, the request has no ${keyNames(action)}; ` : '';
  return `${sticky}${share}, drawn ${percent((trace.point ?? 0) * total)}`;
}

export function keyNames({ hash }: RouteAction): string {
  return (hash?.policies ?? [])
    .map(({ key }) => (key.kind === 'source_ip' ? 'source address' : `${key.kind.replace('_', ' ')} ${key.name}`))
    .join(' or ');
}

function describeKeys({ hash }: RouteAction, head: RequestHead): string {
  const found = (hash?.policies ?? []).flatMap(({ key }) => {
    if (key.kind === 'source_ip') return ['source address'];
    const value =
      key.kind === 'query_parameter'
        ? firstQueryValue(head.path, key.name)
        : key.kind === 'cookie'
          ? readCookie(requestHeaderReader('cookie')(head), key.name)
          : requestHeaderReader(key.name)(head);
    const word = `${key.kind.replace('_', ' ')} ${key.name}`;
    return value === undefined ? [`${word} (made for this request)`] : [`${word} ${JSON.stringify(value)}`];
  });
  return found.join(', ');
}
