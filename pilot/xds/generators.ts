/** The one table of what pilot serves: discovery service → the resources for a node, translated and encoded once. */
import type { ClusterLoadAssignment } from '../../proxy/api/envoy.gen.ts';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { type DiscoveryName, resourceTypes } from '../../proxy/api/resource-types.ts';
import { memoize } from '../model/memoize.ts';
import type { PushConfig, PushContext } from '../model/push-context.ts';
import type { Workload } from '../model/workload.ts';
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
  type InboundPorts,
  outboundRouteName,
} from '../networking/listeners.ts';
import { buildOutboundHosts } from '../networking/virtual-hosts.ts';
import { encodeSharedRoutes, outboundRoutesFor } from './outbound-routes.ts';
import type { EncodedResource, ResourceEncoder } from './resource-encoder.ts';

export type ResourceSet = ReadonlyMap<string, EncodedResource>;

/** Pure functions of a node and a push context. */
export interface Generator {
  /** What a subscription to everything gets; empty where resources have to be asked for by name. */
  readonly all: (node: NodeMetadata, push: PushContext) => ResourceSet;
  /** Undefined when there is no such resource for this node. */
  readonly named: (node: NodeMetadata, push: PushContext, name: string) => EncodedResource | undefined;
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
  const sharedRoutes = memoize((config: PushConfig, key: { namespace: string }) =>
    encodeSharedRoutes(buildOutboundHosts(config, key)),
  );
  const none: ResourceSet = new Map();
  return {
    CDS: inSet(({ namespace, ...ports }, { config }) =>
      clusters(config, { namespace, appPort: inboundOf(ports)?.appPort }),
    ),
    EDS: { all: () => none, named: createAssignments(encoder, mixerAddress) },
    LDS: inSet((node, { config }) => listeners(config, { outboundPort: node.outboundPort, inbound: inboundOf(node) })),
    RDS: {
      all: () => none,
      named: (node, { config }, name) =>
        name === outboundRouteName
          ? outboundRoutesFor(sharedRoutes(config, { namespace: node.namespace }), node)
          : undefined,
    },
  };
}

/** Types of which a sidecar takes all there are; others may ask for some of them by name. */
function inSet(all: Generator['all']): Generator {
  return { all, named: (node, push, name) => all(node, push).get(name) };
}

/** Undefined for a pure client. */
function inboundOf({ address, inboundPort, appPort }: InboundPorts): InboundPorts | undefined {
  return inboundPort === 0 || appPort === 0 ? undefined : { address, inboundPort, appPort };
}

function setOf(resources: Iterable<EncodedResource>): ResourceSet {
  return new Map([...resources].map((resource) => [resource.name, resource]));
}

function createClusterSets(encoder: ResourceEncoder) {
  const { messageName } = resourceTypes.CDS;
  const outbound = memoize((config: PushConfig, key: { namespace: string }) =>
    buildOutboundClusters(config, key).map((cluster) => encoder.encode(cluster.name ?? '', messageName, cluster)),
  );
  return memoize((config: PushConfig, key: { namespace: string; appPort: number | undefined }) => {
    const { namespace, appPort } = key;
    const shared = outbound(config, { namespace });
    if (appPort === undefined) return setOf(shared);
    const inbound = buildInboundCluster(appPort);
    return setOf([...shared, encoder.encode(inbound.name ?? '', messageName, inbound)]);
  });
}

function createListenerSets(encoder: ResourceEncoder) {
  return memoize((_config: PushConfig, key: { outboundPort: number; inbound: InboundPorts | undefined }) => {
    const listeners = [
      ...(key.outboundPort === 0 ? [] : [buildOutboundListener(key)]),
      ...(key.inbound === undefined ? [] : [buildInboundListener(key.inbound)]),
    ];
    return setOf(
      listeners.map((listener) => encoder.encode(listener.name ?? '', resourceTypes.LDS.messageName, listener)),
    );
  });
}

/** A cluster that does not exist has no endpoints: its client waits for an answer otherwise. */
function createAssignments(encoder: ResourceEncoder, mixerAddress: SocketAddress | undefined): Generator['named'] {
  const encode = (assignment: ClusterLoadAssignment): EncodedResource =>
    encoder.encode(assignment.cluster_name ?? '', resourceTypes.EDS.messageName, assignment);
  const selected = memoize((workloads: readonly Workload[], selection: EndpointSelection) =>
    encode(buildLoadAssignment(workloads, selection)),
  );
  const mixer = encode(buildAddressAssignment(mixerClusterName, mixerAddress));
  return ({ namespace }, { config, workloads }, name) => {
    if (name === mixerClusterName) return mixer;
    const selection = selectEndpoints(config, name, namespace);
    const candidates = selection && workloads.get(selection.hostname);
    if (selection === undefined || candidates === undefined) return encode({ cluster_name: name });
    return selected(candidates, selection);
  };
}
