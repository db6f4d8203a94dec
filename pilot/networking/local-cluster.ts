/**
 * The local cluster of a sidecar: who else calls from where, so that zone aware routing knows which part of all requests
 * is its own. Istio's: instances of the same workload in the same region, among those of its first service
 * (pilot/pkg/xds/endpoints).
 */
import type { Cluster, ClusterLoadAssignment } from '../../proxy/api/envoy.gen.ts';
import { localClusterName } from '../../proxy/api/local-cluster.ts';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { memoize } from '../model/memoize.ts';
import type { PushContext } from '../model/push-context.ts';
import { clusterHostname, connectionPorts } from '../model/service.ts';
import { placeOf, type Workload } from '../model/workload.ts';
import { adsConfigSource } from './config-source.ts';
import { buildLoadAssignment } from './endpoints.ts';

/** What the instances of one workload in one region have in common: they have one local cluster. */
export interface LocalCluster {
  readonly hostname: string;
  readonly namespace: string;
  readonly workloadName: string;
  readonly region: string;
  /** Of the values of `revisionLabels`: a roll-out spreads each of its sides by itself. */
  readonly revisions: readonly string[];
}

/** Kubernetes and Argo Rollouts name the revision of a workload in them. */
const revisionLabels = ['pod-template-hash', 'rollouts-pod-template-hash'];

/** Undefined for a workload without service, and while no rule asks for zone aware routing: nobody needs it then. */
export function localClusterOf(push: PushContext, node: NodeMetadata): LocalCluster | undefined {
  if (!push.config.destinationRules.hasZoneAware) return undefined;
  const { name, namespace, service, workloadName } = node;
  const hostnames = hostnamesByWorkload(push, null).get(keyOf({ name, namespace })) ?? [];
  const named = clusterHostname(service, namespace);
  const hostname = hostnames.includes(named) ? named : hostnames[0];
  if (hostname === undefined) return undefined;
  const { locality, labels } = placeOf(node);
  const revisions = revisionLabels.map((label) => labels[label] ?? '');
  return { hostname, namespace, workloadName, region: locality.region, revisions };
}

/** As it stands in the bootstrap. Nothing is ever sent to it. */
export function buildLocalCluster(): Cluster {
  return {
    name: localClusterName,
    connect_timeout: '1s',
    type: 'EDS',
    eds_cluster_config: { eds_config: adsConfigSource, service_name: localClusterName },
  };
}

/** Empty where there is none: then there is no zone aware routing. */
export function buildLocalAssignment(push: PushContext, cluster: LocalCluster | undefined): ClusterLoadAssignment {
  const service = cluster && push.config.services.find(cluster.hostname);
  const [port] = service === undefined ? [] : connectionPorts(service);
  if (cluster === undefined || port === undefined) return { cluster_name: localClusterName };
  const { hostname } = cluster;
  const members = (push.workloads.get(hostname) ?? []).filter((workload) => isMember(workload, cluster));
  const selection = { hostname, port, labels: {}, placement: undefined, healthCheckPort: 0 };
  return buildLoadAssignment(members, { clusterName: localClusterName, ...selection });
}

function isMember(
  { namespace, workloadName, locality, labels }: Workload,
  { revisions, ...cluster }: LocalCluster,
): boolean {
  return (
    namespace === cluster.namespace &&
    workloadName === cluster.workloadName &&
    locality.region === cluster.region &&
    revisionLabels.every((label, i) => (labels[label] ?? '') === revisions[i])
  );
}

/** Services of each workload, in the order of their hostnames. */
const hostnamesByWorkload = memoize(({ config, workloads }: PushContext, _key: null) => {
  const found = new Map<string, string[]>();
  for (const { hostname } of config.services.all) {
    for (const workload of workloads.get(hostname) ?? []) {
      const key = keyOf(workload);
      const hostnames = found.get(key);
      if (hostnames === undefined) found.set(key, [hostname]);
      else hostnames.push(hostname);
    }
  }
  return found;
});

function keyOf({ name, namespace }: Pick<Workload, 'name' | 'namespace'>): string {
  return `${namespace}/${name}`;
}
