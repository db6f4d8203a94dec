/** The one table of what ADS carries: type URL ↔ message ↔ decoder, in the order in which updates are applied. */
import type { Decoded } from '../common/decoded.ts';
import { decodeCluster } from './cluster-decoder.ts';
import type { Cluster, ClusterLoadAssignment } from './cluster.ts';
import { typeUrlOf } from './discovery.ts';
import { decodeClusterLoadAssignment } from './endpoint-decoder.ts';
import type { RootMessages } from './envoy.gen.ts';
import { decodeListener } from './listener-decoder.ts';
import type { Listener } from './listener.ts';
import { decodeRouteConfiguration } from './route-decoder.ts';
import type { RouteConfiguration } from './route.ts';
import { decodeSecret } from './secret-decoder.ts';
import type { Secret } from './tls.ts';
import { WireReader } from './wire-reader.ts';
import { lengthTag } from './wire-tags.ts';
import { decode, type MessageName } from './protojson.ts';

/** Names of the discovery services, as Envoy's documentation and `proxy-status` print them. */
export type DiscoveryName = 'CDS' | 'EDS' | 'SDS' | 'LDS' | 'RDS';

export interface ResourceType<N extends MessageName, T> {
  readonly discoveryName: DiscoveryName;
  readonly messageName: N;
  readonly typeUrl: string;
  /** From the JSON form, with defaults filled in. */
  readonly decode: (json: RootMessages[N]) => Decoded<T>;
  /** The name under which it is subscribed and reported. */
  readonly nameOf: (resource: T) => string;
  /** Whether an update holds every resource there is, so that a missing one is removed (state of the world). */
  readonly isComplete: boolean;
}

function resourceType<N extends MessageName, T>(row: Omit<ResourceType<N, T>, 'typeUrl'>): ResourceType<N, T> {
  return { ...row, typeUrl: typeUrlOf(row.messageName) };
}

/** In apply order: what is referred to comes before what refers to it (make before break). */
export const resourceTypes = {
  CDS: resourceType<'envoy.config.cluster.v3.Cluster', Cluster>({
    discoveryName: 'CDS',
    messageName: 'envoy.config.cluster.v3.Cluster',
    decode: decodeCluster,
    nameOf: (cluster) => cluster.name,
    isComplete: true,
  }),
  EDS: resourceType<'envoy.config.endpoint.v3.ClusterLoadAssignment', ClusterLoadAssignment>({
    discoveryName: 'EDS',
    messageName: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
    decode: decodeClusterLoadAssignment,
    nameOf: (assignment) => assignment.clusterName,
    isComplete: false,
  }),
  SDS: resourceType<'envoy.extensions.transport_sockets.tls.v3.Secret', Secret>({
    discoveryName: 'SDS',
    messageName: 'envoy.extensions.transport_sockets.tls.v3.Secret',
    decode: decodeSecret,
    nameOf: (secret) => secret.name,
    isComplete: false,
  }),
  LDS: resourceType<'envoy.config.listener.v3.Listener', Listener>({
    discoveryName: 'LDS',
    messageName: 'envoy.config.listener.v3.Listener',
    decode: decodeListener,
    nameOf: (listener) => listener.name,
    isComplete: true,
  }),
  RDS: resourceType<'envoy.config.route.v3.RouteConfiguration', RouteConfiguration>({
    discoveryName: 'RDS',
    messageName: 'envoy.config.route.v3.RouteConfiguration',
    decode: decodeRouteConfiguration,
    nameOf: (routeConfiguration) => routeConfiguration.name,
    isComplete: false,
  }),
} as const;

/** The discovery services in apply order. */
export const discoveryNames = Object.keys(resourceTypes) as DiscoveryName[];

/** The discovery service of a type URL from a peer; undefined when it is none of ours. */
export function discoveryNameOf(typeUrl: string): DiscoveryName | undefined {
  return discoveryNames.find((name) => resourceTypes[name].typeUrl === typeUrl);
}

/** A resource from its bytes. */
export function decodeResource<N extends MessageName, T>(type: ResourceType<N, T>, bytes: Uint8Array): Decoded<T> {
  const json = decode(type.messageName, bytes);
  return json.errors === undefined ? type.decode(json.value) : json;
}

/** The name of a resource that is not decoded, or cannot be: field 1 in all of them. Empty when there is none. */
export function peekResourceName(bytes: Uint8Array): string {
  try {
    const reader = new WireReader(bytes);
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === lengthTag(1)) return reader.string();
      reader.skip(tag);
    }
  } catch {
    // Broken bytes have no name.
  }
  return '';
}
