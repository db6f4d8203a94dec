/** The one table of what pilot serves: discovery service → the resources for a node, translated and encoded once. */
import type { Cluster, ClusterLoadAssignment, Listener } from '../../proxy/api/envoy.gen.ts';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { type DiscoveryName, resourceTypes } from '../../proxy/api/resource-types.ts';
import { type Client, clientOf, type LocatedClient, locatedClientOf } from '../model/client.ts';
import { memoize } from '../model/memoize.ts';
import type { PushConfig, PushContext } from '../model/push-context.ts';
import { clusterHostname, isLookedUp } from '../model/service.ts';
import type { Telemetries, WorkloadMode } from '../model/telemetries.ts';
import type { Workload } from '../model/workload.ts';
import { buildAccessLogs } from '../networking/access-logs.ts';
import { buildInboundCluster, buildOutboundClusters } from '../networking/clusters.ts';
import {
  buildAddressAssignment,
  buildLoadAssignment,
  type EndpointSelection,
  selectEndpoints,
} from '../networking/endpoints.ts';
import {
  buildInboundListener,
  buildOutboundListener,
  type ListenerReports,
  type OutboundPorts,
  outboundRouteName,
} from '../networking/listeners.ts';
import { sourceLabelKeys } from '../networking/source-match.ts';
import { buildTracing, isTracing } from '../networking/tracing.ts';
import { buildOutboundHosts } from '../networking/virtual-hosts.ts';
import { encodeSharedRoutes, outboundRoutesFor } from './outbound-routes.ts';
import type { EncodedResource, ResourceEncoder } from './resource-encoder.ts';

export type ResourceSet = ReadonlyMap<string, EncodedResource>;

export type ResourceLookup = (name: string) => EncodedResource | undefined;

/** Pure functions of a node and a push context. */
export interface Generator {
  /** What a subscription to everything gets; empty where resources have to be asked for by name. */
  readonly all: (node: NodeMetadata, push: PushContext) => ResourceSet;
  /** Finds resources by name; undefined when there is none of that name for this node. */
  readonly lookup: (node: NodeMetadata, push: PushContext) => ResourceLookup;
  /** What stands for a resource that does not exist, for a client that would wait for it; without it nothing is sent. */
  readonly absent?: ResourceLookup;
}

export type Generators = Readonly<Record<DiscoveryName, Generator>>;

export interface SocketAddress {
  /** IP address. */
  readonly address: string;
  readonly port: number;
}

/** Under this name a sidecar's bootstrap asks where to report to. */
export const mixerClusterName = 'mixer';

export function createGenerators(encoder: ResourceEncoder, mixerAddress: SocketAddress | undefined): Generators {
  const clusters = createClusterSets(encoder);
  const listeners = createListenerSets(encoder);
  const sharedRoutes = memoize((config: PushConfig, key: Client) =>
    encodeSharedRoutes(buildOutboundHosts(config, key)),
  );
  const assignments = createAssignments(encoder, mixerAddress);
  const none: ResourceSet = new Map();
  return {
    CDS: ofSet((node, { config }) => clusters(node, config)),
    EDS: {
      all: () => none,
      lookup: (node, push) => assignments(push, locatedClientOf(node, endpointKeys(push.config))),
      absent: (name) => encodeAssignment(encoder, { cluster_name: name }),
    },
    LDS: ofSet((node, { config }) => listeners(node, config.telemetries)),
    RDS: {
      all: () => none,
      lookup: (node, { config }) => {
        const shared = sharedRoutes(config, clientOf(node, sourceLabelKeys(config)));
        return (name) => (name === outboundRouteName ? outboundRoutesFor(shared, node) : undefined);
      },
    },
  };
}

/** The labels of a client that endpoints may depend on. */
function endpointKeys({ destinationRules }: PushConfig): ReadonlySet<string> {
  const { selectorLabels, failoverLabels } = destinationRules;
  return failoverLabels.size === 0 ? selectorLabels : new Set([...selectorLabels, ...failoverLabels]);
}

/** Types of which a sidecar takes all there are; others may ask for some of them by name. */
function ofSet(all: Generator['all']): Generator {
  return {
    all,
    lookup: (node, push) => {
      const resources = all(node, push);
      return (name) => resources.get(name);
    },
  };
}

function setOf(resources: readonly EncodedResource[]): ResourceSet {
  return new Map(resources.map((resource) => [resource.name, resource]));
}

function createClusterSets(encoder: ResourceEncoder) {
  const encode = (cluster: Cluster): EncodedResource => ({
    ...encoder.encode(cluster.name ?? '', resourceTypes.CDS.messageName, cluster),
    needsEndpoints: cluster.type === 'EDS',
  });
  const outbound = memoize((config: PushConfig, key: Client | LocatedClient) =>
    buildOutboundClusters(config, key).map(encode),
  );
  const hasNames = memoize((config: PushConfig, _key: null) => config.services.all.some(isLookedUp));
  const inbound = memoize((node: NodeMetadata, _key: null) =>
    hasInbound(node) ? [encode(buildInboundCluster(node.appPort))] : [],
  );
  return (node: NodeMetadata, config: PushConfig): ResourceSet => {
    // Only clusters that have endpoints inside depend on where their client runs.
    const client = hasNames(config, null)
      ? locatedClientOf(node, endpointKeys(config))
      : clientOf(node, config.destinationRules.selectorLabels);
    return setOf([...outbound(config, client), ...inbound(node, null)]);
  };
}

/** Listeners depend on the node and on what they tell about requests: no other rule ever touches them. */
function createListenerSets(encoder: ResourceEncoder) {
  const encode = (listener: Listener): EncodedResource =>
    encoder.encode(listener.name ?? '', resourceTypes.LDS.messageName, listener);
  const outbound = memoize((telemetries: Telemetries, { outboundPort, client }: OutboundPorts & { client: Client }) =>
    encode(buildOutboundListener({ outboundPort }, buildAccessLogs(telemetries, client, 'CLIENT'))),
  );
  // Nodes come and go while no Telemetry changes: what is made for one of them goes with it.
  const ofNodes = memoize((telemetries: Telemetries, _key: null) =>
    memoize((node: NodeMetadata, _node: null) => buildNodeListeners(node, telemetries).map(encode)),
  );
  return (node: NodeMetadata, telemetries: Telemetries): ResourceSet => {
    const { outboundPort } = node;
    const isShared = outboundPort !== 0 && !isTracing(telemetries.meshConfig);
    return setOf([
      ...(isShared ? [outbound(telemetries, { outboundPort, client: listenerClient(node, telemetries) })] : []),
      ...ofNodes(telemetries, null)(node, null),
    ]);
  };
}

/** Those that other nodes cannot share: spans tell about the node itself. */
function buildNodeListeners(node: NodeMetadata, telemetries: Telemetries): Listener[] {
  const client = listenerClient(node, telemetries);
  const tracing = buildTracing(node, telemetries.meshConfig);
  const hostname = node.service === '' ? undefined : clusterHostname(node.service, node.namespace);
  const reports = (mode: WorkloadMode): ListenerReports => ({
    ...buildAccessLogs(telemetries, client, mode),
    ...tracing,
  });
  const isTraced = node.outboundPort !== 0 && isTracing(telemetries.meshConfig);
  return [
    ...(isTraced ? [buildOutboundListener(node, reports('CLIENT'))] : []),
    ...(hasInbound(node) ? [buildInboundListener({ ...node, hostname }, reports('SERVER'))] : []),
  ];
}

/** Workloads that no Telemetry tells apart share what is made for them. */
function listenerClient(node: NodeMetadata, telemetries: Telemetries): Client {
  return telemetries.isAboutNamespace(node.namespace) ? clientOf(node, telemetries.selectorLabels) : { namespace: '' };
}

/** A pure client has none. */
function hasInbound({ inboundPort, appPort }: NodeMetadata): boolean {
  return inboundPort !== 0 && appPort !== 0;
}

function createAssignments(encoder: ResourceEncoder, mixerAddress: SocketAddress | undefined) {
  const encode = (assignment: ClusterLoadAssignment): EncodedResource => encodeAssignment(encoder, assignment);
  const selected = memoize((workloads: readonly Workload[], selection: EndpointSelection) =>
    encode(buildLoadAssignment(workloads, selection)),
  );
  const mixer = encode(buildAddressAssignment(mixerClusterName, mixerAddress));
  return memoize(({ config, workloads }: PushContext, client: LocatedClient): ResourceLookup => {
    const found = new Map([[mixerClusterName, mixer]]);
    return (name) => {
      const known = found.get(name);
      if (known !== undefined) return known;
      const selection = selectEndpoints(config, name, client);
      const candidates = selection && workloads.get(selection.hostname);
      if (selection === undefined || candidates === undefined) return undefined;
      const assignment = selected(candidates, selection);
      found.set(name, assignment);
      return assignment;
    };
  });
}

function encodeAssignment(encoder: ResourceEncoder, assignment: ClusterLoadAssignment): EncodedResource {
  return encoder.encode(assignment.cluster_name ?? '', resourceTypes.EDS.messageName, assignment);
}
