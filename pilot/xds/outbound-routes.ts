/**
 * The outbound route configuration is the largest resource and differs between sidecars in one header only: who calls.
 * Its virtual hosts are encoded once per namespace; per sidecar the header is spliced in, which protobuf allows because
 * the encodings of two messages joined are the encoding of both merged (protobuf.dev/programming-guides/encoding).
 */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { RouteConfiguration } from '../../proxy/api/envoy.gen.ts';
import { encodePeerMetadata, peerMetadataHeader } from '../../proxy/api/peer-metadata.ts';
import { encode } from '../../proxy/api/protojson.ts';
import { lengthTag } from '../../proxy/api/wire-tags.ts';
import { isGateway, type NodeMetadata } from '../../proxy/api/node.ts';
import { maxDirectResponseBytes } from '../networking/local-actions.ts';
import { outboundRouteName } from '../networking/listeners.ts';
import type { OutboundHost } from '../networking/virtual-hosts.ts';
import { contentHash, type EncodedResource } from './resource-encoder.ts';

const routeConfigurationName = 'envoy.config.route.v3.RouteConfiguration';
const virtualHostName = 'envoy.config.route.v3.VirtualHost';

function routeConfigurationHead(own: OwnRoutes, caller: NodeMetadata): RouteConfiguration {
  const head = { ...own, max_direct_response_body_size_bytes: maxDirectResponseBytes };
  if (!isGateway(caller)) return head;
  // Strangers write the port that they know, and are not told what went wrong inside.
  return { ...head, ignore_port_in_host_matching: true, response_headers_to_remove: ['x-heddle-reason'] };
}

/** What a route configuration has for itself. */
export type OwnRoutes = Pick<RouteConfiguration, 'typed_per_filter_config'> & { readonly name: string };

/** The virtual hosts as all sidecars of a namespace share them. */
export interface SharedRoutes {
  readonly version: string;
  readonly hosts: readonly { readonly bytes: Uint8Array; readonly isMeshInternal: boolean }[];
}

export function encodeSharedRoutes(hosts: readonly OutboundHost[]): SharedRoutes {
  const encoded = hosts.map(({ virtualHost, isMeshInternal }) => ({
    bytes: encode(virtualHostName, virtualHost),
    isMeshInternal,
  }));
  const parts = encoded.flatMap(({ bytes, isMeshInternal }) => [`${bytes.length} ${isMeshInternal} `, bytes]);
  return { version: contentHash(parts), hosts: encoded };
}

/** The pieces are only put together when they are sent, and not kept. */
export function outboundRoutesFor(
  shared: SharedRoutes,
  caller: NodeMetadata,
  own: OwnRoutes = { name: outboundRouteName },
): EncodedResource {
  const value = encodePeerMetadata(caller);
  const head = encode(routeConfigurationName, routeConfigurationHead(own, caller));
  return {
    name: own.name,
    version: contentHash([shared.version, value, head]),
    parts: () => wrapParts(routeConfigurationName, [head, ...spliceHeader(shared, value)]),
  };
}

function spliceHeader({ hosts }: SharedRoutes, value: string): Uint8Array[] {
  const header = encode(virtualHostName, {
    request_headers_to_add: [
      { header: { key: peerMetadataHeader, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
    ],
  });
  const parts: Uint8Array[] = [];
  for (const { bytes, isMeshInternal } of hosts) {
    const sizeBytes = bytes.length + (isMeshInternal ? header.length : 0);
    parts.push(fieldHead(field.virtualHosts, sizeBytes), bytes);
    if (isMeshInternal) parts.push(header);
  }
  return parts;
}

/** Of RouteConfiguration, DiscoveryResponse and google.protobuf.Any. */
const field = { virtualHosts: 2, resources: 2, anyTypeUrl: 1, anyValue: 2 };

/** The `resources` field of a DiscoveryResponse around the encoded message that `value` makes up. */
function wrapParts(messageName: string, value: readonly Uint8Array[]): Uint8Array[] {
  const typeUrl = Buffer.from(typeUrlOf(messageName));
  const any = [
    fieldHead(field.anyTypeUrl, typeUrl.length),
    typeUrl,
    fieldHead(field.anyValue, sizeOf(value)),
    ...value,
  ];
  return [fieldHead(field.resources, sizeOf(any)), ...any];
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Tag and length of a length-delimited field. */
function fieldHead(fieldNumber: number, sizeBytes: number): Uint8Array {
  const head = [lengthTag(fieldNumber)];
  let rest = sizeBytes;
  for (; rest > 127; rest = Math.floor(rest / 128)) head.push((rest % 128) | 128);
  head.push(rest);
  return Uint8Array.from(head);
}
