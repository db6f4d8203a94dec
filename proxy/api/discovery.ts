/**
 * The aggregated discovery service (ADS), state of the world: `envoy.service.discovery.v3`. On the gRPC stream travel
 * bytes; the functions here turn them into values and back, so that garbage is a value too and not a throw in grpc-js.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { Decoded } from '../common/decoded.ts';
import { decodeMessage, messageType } from './descriptor.ts';
import type { Node as NodeJson, RootMessages } from './envoy.gen.ts';
import { grpcBytes } from './grpc-bytes.ts';
import type { PlainMessage } from './json-reader.ts';
import { JsonWriter } from './json-writer.ts';
import { encode, type MessageName } from './protojson.ts';
import { lengthTag } from './wire-tags.ts';

/** First subscription, ACK or NACK: which of them follows from version, nonce and error detail. */
export interface DiscoveryRequest {
  readonly typeUrl: string;
  /** The version last accepted; empty before the first. */
  readonly versionInfo: string;
  /** The nonce that is answered; empty in the first request of a type. */
  readonly responseNonce: string;
  /** Empty: all (LDS and CDS). */
  readonly resourceNames: readonly string[];
  /** Only the first request of a stream must carry it. */
  readonly node: NodeJson | undefined;
  /** Set in a NACK. */
  readonly errorDetail: { readonly code: number; readonly message: string } | undefined;
}

export interface DiscoveryResponse {
  readonly typeUrl: string;
  readonly versionInfo: string;
  readonly nonce: string;
  readonly resources: readonly EncodedResource[];
}

/** A google.protobuf.Any. */
export interface EncodedResource {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** Bidirectional stream of encoded DiscoveryRequests and DiscoveryResponses. */
export const streamAggregatedResources: MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  requestStream: true,
  responseStream: true,
  requestSerialize: grpcBytes.serialize,
  requestDeserialize: grpcBytes.deserialize,
  responseSerialize: grpcBytes.serialize,
  responseDeserialize: grpcBytes.deserialize,
};

/** What a grpc-js server registers. The incremental form is not among it, which grpc-js answers with UNIMPLEMENTED. */
export const aggregatedDiscoveryService = { streamAggregatedResources };

export function encodeDiscoveryRequest(request: DiscoveryRequest): Uint8Array {
  return encode('envoy.service.discovery.v3.DiscoveryRequest', {
    type_url: request.typeUrl,
    version_info: request.versionInfo,
    response_nonce: request.responseNonce,
    resource_names: [...request.resourceNames],
    ...(request.node === undefined ? {} : { node: request.node }),
    ...(request.errorDetail === undefined ? {} : { error_detail: request.errorDetail }),
  });
}

/** Details inside `error_detail` are not read: they may hold messages that only the peer knows. */
export function decodeDiscoveryRequest(bytes: Uint8Array): Decoded<DiscoveryRequest> {
  const decoded = decodeEnvelope('envoy.service.discovery.v3.DiscoveryRequest', bytes);
  if (decoded.errors !== undefined) return decoded;
  const message = decoded.value;
  const writer = new JsonWriter();
  const node = message['node'] as PlainMessage | null;
  const nodeJson = node === null ? undefined : writer.message(messageType('envoy.config.core.v3.Node'), node, 'node');
  if (writer.errors.length > 0) return { errors: writer.errors };
  const detail = message['error_detail'] as { code: number; message: string } | null;
  return {
    value: {
      ...envelope(message),
      responseNonce: String(message['response_nonce']),
      resourceNames: message['resource_names'] as string[],
      node: nodeJson as NodeJson | undefined,
      errorDetail: detail === null ? undefined : { code: detail.code, message: detail.message },
    },
  };
}

/**
 * One resource as it stands in a response, to be encoded once and sent to every stream: the `resources` field with its
 * tag and length, which `encodeDiscoveryResponse` only concatenates.
 */
export function encodeResource<N extends MessageName>(name: N, json: RootMessages[N]): Uint8Array {
  const writer = protobuf.Writer.create().uint32(responseTags.resources).fork();
  writer.uint32(anyTags.typeUrl).string(typeUrlOf(name)).uint32(anyTags.value).bytes(encode(name, json));
  return writer.ldelim().finish();
}

/** `resources` come from `encodeResource`. */
export function encodeDiscoveryResponse(
  { typeUrl, versionInfo, nonce }: Omit<DiscoveryResponse, 'resources'>,
  resources: readonly Uint8Array[],
): Uint8Array {
  const head = protobuf.Writer.create()
    .uint32(responseTags.versionInfo)
    .string(versionInfo)
    .uint32(responseTags.typeUrl)
    .string(typeUrl)
    .uint32(responseTags.nonce)
    .string(nonce)
    .finish();
  return Buffer.concat([head, ...resources]);
}

/** The envelope only: what `resources` hold is decoded by their own types. */
export function decodeDiscoveryResponse(bytes: Uint8Array): Decoded<DiscoveryResponse> {
  const decoded = decodeEnvelope('envoy.service.discovery.v3.DiscoveryResponse', bytes);
  if (decoded.errors !== undefined) return decoded;
  const message = decoded.value;
  const resources = message['resources'] as { type_url: string; value: Uint8Array }[];
  return {
    value: {
      ...envelope(message),
      nonce: String(message['nonce']),
      resources: resources.map((any) => ({ typeUrl: any.type_url, value: any.value })),
    },
  };
}

/** `type.googleapis.com/` and the full name of the message. */
export function typeUrlOf(messageName: string): string {
  return `type.googleapis.com/${messageName}`;
}

/** Tags of DiscoveryResponse and of the Any in it. */
const responseTags = { versionInfo: lengthTag(1), resources: lengthTag(2), typeUrl: lengthTag(4), nonce: lengthTag(5) };
const anyTags = { typeUrl: lengthTag(1), value: lengthTag(2) };

function envelope(message: PlainMessage): { typeUrl: string; versionInfo: string } {
  return { typeUrl: String(message['type_url']), versionInfo: String(message['version_info']) };
}

function decodeEnvelope(name: string, bytes: Uint8Array): Decoded<PlainMessage> {
  try {
    return { value: decodeMessage(messageType(name), bytes) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable';
    return { errors: [{ path: '', message: `must be an encoded ${name}: ${reason}` }] };
  }
}
