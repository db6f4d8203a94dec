/** The one table of what pilot serves: discovery service → the resources for a node, translated and encoded once. */
import type { Cluster, ClusterLoadAssignment } from '../../proxy/api/envoy.gen.ts';
import { isIntercepted } from '../../proxy/api/interception.ts';
import { localClusterName } from '../../proxy/api/local-cluster.ts';
import { isGateway, type NodeMetadata } from '../../proxy/api/node.ts';
import { type DiscoveryName, resourceTypes } from '../../proxy/api/resource-types.ts';
import { type Client, clientOf, type LocatedClient, locatedClientOf } from '../model/client.ts';
import { memoize } from '../model/memoize.ts';
import type { PushConfig, PushContext } from '../model/push-context.ts';
import { inboundVersionOf } from '../model/inbound-ports.ts';
import { type HttpVersion, isLookedUp } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import { askForLimits } from '../networking/asked-rate-limits.ts';
import { buildInboundCluster, buildOutboundClusters } from '../networking/clusters.ts';
import {
  buildAddressAssignment,
  buildLoadAssignment,
  type EndpointSelection,
  selectEndpoints,
} from '../networking/endpoints.ts';
import type { InboundInterception } from '../networking/intercepted-inbound.ts';
import { buildInterceptedInboundClusters } from '../networking/intercepted-inbound.ts';
import { outboundRouteName } from '../networking/listeners.ts';
import { buildLocalAssignment, type LocalCluster, localClusterOf } from '../networking/local-cluster.ts';
import { sourceLabelKeys } from '../networking/source-match.ts';
import { buildInterceptedHosts, buildOutboundHosts } from '../networking/virtual-hosts.ts';
import { createGatewaySets, type CredentialFault } from './gateway-sets.ts';
import { createInboundRoutes } from './inbound-routes.ts';
import { createListenerSets, hasInbound, inboundInterceptionOf } from './listener-sets.ts';
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

export function createGenerators(
  encoder: ResourceEncoder,
  mixerAddress: SocketAddress | undefined,
  onCredentialFault: (fault: CredentialFault) => void = () => {},
): Generators {
  const clusters = createClusterSets(encoder);
  const ownListeners = createListenerSets(encoder);
  const envoyListeners = createListenerSets(encoder, askForLimits);
  const sidecarListeners: typeof ownListeners = (node, push) =>
    (node.isEnvoy === true ? envoyListeners : ownListeners)(node, push);
  const gateways = createGatewaySets(encoder, onCredentialFault);
  const sharedRoutes = memoize((config: PushConfig, key: Client) =>
    encodeSharedRoutes(buildOutboundHosts(config, key)),
  );
  const interceptedRoutes = memoize((config: PushConfig, { client, name }: { client: Client; name: string }) => {
    const hosts = buildInterceptedHosts(config, client, name);
    return { shared: hosts && encodeSharedRoutes(hosts) };
  });
  const inboundRoutes = createInboundRoutes(encoder);
  const assignments = createAssignments(encoder, mixerAddress);
  const localAssignments = memoize((push: PushContext, cluster: LocalCluster | undefined) =>
    encodeAssignment(encoder, buildLocalAssignment(push, cluster)),
  );
  const none: ResourceSet = new Map();
  return {
    CDS: ofSet((node, { config }) => clusters(node, config)),
    EDS: {
      all: () => none,
      lookup: (node, push) => {
        const find = assignments(push, locatedClientOf(node, endpointKeys(push.config)));
        return (name) => (name === localClusterName ? localAssignments(push, localClusterOf(push, node)) : find(name));
      },
      absent: (name) => encodeAssignment(encoder, { cluster_name: name }),
    },
    // Those of workloads are their own files: nothing that is sent to them refers to one here.
    SDS: {
      all: () => none,
      lookup: (node, { config }) => (isGateway(node) ? gateways.secrets(node, config) : () => undefined),
    },
    LDS: ofSet((node, push) =>
      setOf(isGateway(node) ? gateways.listeners(node, push.config) : sidecarListeners(node, push)),
    ),
    RDS: {
      all: () => none,
      lookup: (node, push) => {
        const { config } = push;
        if (isGateway(node)) return (name) => gateways.routes(node, push, name);
        const client = clientOf(node, sourceLabelKeys(config));
        if (isIntercepted(node)) {
          return (name) => {
            const inbound = inboundRoutes(node, push, name);
            if (inbound !== undefined) return inbound;
            const { shared } = interceptedRoutes(config, { client, name });
            return shared && outboundRoutesFor(shared, node, { name });
          };
        }
        const shared = sharedRoutes(config, client);
        return (name) =>
          name === outboundRouteName ? outboundRoutesFor(shared, node) : inboundRoutes(node, push, name);
      },
    },
  };
}

/** For who may not know them. `onRefused` is called with every question for one. */
export function withoutSecrets(generators: Generators, onRefused: () => void): Generators {
  const lookup = (): ResourceLookup => () => {
    onRefused();
    return undefined;
  };
  return { ...generators, SDS: { all: () => new Map(), lookup } };
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

interface InboundApplication {
  readonly appPort: number;
  readonly version: HttpVersion;
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
  // The same for all applications of one port, whatever the services of the mesh are.
  const inbound = memoize((_encoder: ResourceEncoder, { appPort, version }: InboundApplication) =>
    encode(buildInboundCluster(appPort, version)),
  );
  const addressed = (node: NodeMetadata, config: PushConfig): EncodedResource[] => {
    const { appPort } = node;
    return hasInbound(node) ? [inbound(encoder, { appPort, version: inboundVersionOf(node, config) })] : [];
  };
  const intercepted = memoize((_config: PushConfig, interception: InboundInterception) =>
    buildInterceptedInboundClusters(interception).map(encode),
  );
  return (node: NodeMetadata, config: PushConfig): ResourceSet => {
    // Only clusters that have endpoints inside depend on where their client runs.
    const client = hasNames(config, null)
      ? locatedClientOf(node, endpointKeys(config))
      : clientOf(node, config.destinationRules.selectorLabels);
    const own = isIntercepted(node)
      ? intercepted(config, inboundInterceptionOf(node, config))
      : addressed(node, config);
    return setOf([...outbound(config, client), ...own]);
  };
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
