/** The scopes in which requests and connections that leave are counted: resolved once per host. */
import type { ServiceIdentity } from '../api/cluster.ts';
import type { UpstreamCluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import type { IstioMetrics } from './istio-metrics.ts';
import type { MetricScope } from './metric-scope.ts';

/** Where traffic went, as far as it came. */
interface Destination {
  readonly host: Host | undefined;
  readonly cluster: UpstreamCluster | undefined;
}

/** Of the host or, for what found none, of the cluster. */
export function outboundScope(metrics: IstioMetrics, { host, cluster }: Destination): MetricScope {
  if (host !== undefined) {
    const known = host.metricScope;
    if (known !== undefined && !known.isRetired) return known;
    return (host.metricScope = metrics.outboundScope(serviceOf(host.cluster), host.endpoint.workload));
  }
  if (cluster === undefined) return metrics.outboundScope(undefined, undefined);
  const known = cluster.metricScope;
  if (known !== undefined && !known.isRetired) return known;
  return (cluster.metricScope = metrics.outboundScope(serviceOf(cluster), undefined));
}

/** What is no service's traffic is called after its cluster, as Istio does. */
const placeholders = new Set(['PassthroughCluster', 'BlackHoleCluster']);

function serviceOf({ config: { name, service } }: UpstreamCluster): ServiceIdentity | undefined {
  return placeholders.has(name) ? { host: '', name, namespace: '' } : service;
}
