/**
 * Entries of the access-log service (`envoy.data.accesslog.v3`), written straight from a finished stream: a logger is
 * compiled once into a function of streams.
 */
import protobuf from 'protobufjs';
import { accessLogTags, accessLogTypes, responseFlagFields } from './api/access-log-service.ts';
import type { GrpcAccessLog, LogTag } from './api/listener.ts';
import { isResponseFlag } from './common/response-flags.ts';
import { lengthTag, varintTag } from './api/wire-tags.ts';
import { schemeOf } from './http/forwarded-headers.ts';
import { requestHeaderReader, responseHeaderReader } from './http/header-reader.ts';
import type { StreamInfo } from './http/stream-info.ts';
import { responseCodeDetails, upstreamAddress } from './formatter/stream-variables.ts';

type Writer = protobuf.Writer;
type Reader = (stream: StreamInfo) => string | undefined;
/** Name on the wire, and where its value is read. */
type Named = readonly [name: string, read: Reader];

const tags = accessLogTags;
const common = tags.common;

/** `durationMs`: of the whole request or connection. */
export type LogEntryEncoder = (stream: StreamInfo, durationMs: number) => Uint8Array;

export function compileLogEntry(log: GrpcAccessLog): LogEntryEncoder {
  const customTags = log.customTags.map(compileTag);
  const isHttp = log.entries === 'http';
  const requestHeaders = log.requestHeaders.map(namedRequestHeader);
  const responseHeaders = log.responseHeaders.map(namedResponseHeader);
  return (stream, durationMs) => {
    const writer = protobuf.Writer.create();
    writer.uint32(isHttp ? tags.httpEntry.common : tags.tcpEntry.common).fork();
    writeCommon(writer, stream, durationMs);
    writeMap(writer, common.customTags, customTags, stream);
    writer.ldelim();
    if (!isHttp) writeConnection(writer, stream);
    else {
      writer.uint32(tags.httpEntry.protocolVersion).int32(protocolVersions[stream.codec?.protocol ?? ''] ?? 0);
      writeRequest(writer, stream, requestHeaders);
      writeResponse(writer, stream, responseHeaders);
    }
    return writer.finish();
  };
}

/** `HTTPAccessLogEntry.HTTPVersion`. */
const protocolVersions: Readonly<Record<string, number>> = { 'HTTP/1.0': 1, 'HTTP/1.1': 2, 'HTTP/2': 3 };

/** `envoy.config.core.v3.RequestMethod`. */
const methods: Readonly<Record<string, number>> = {
  GET: 1,
  HEAD: 2,
  POST: 3,
  PUT: 4,
  DELETE: 5,
  CONNECT: 6,
  OPTIONS: 7,
  TRACE: 8,
  PATCH: 9,
};

function compileTag(tag: LogTag): Named {
  switch (tag.kind) {
    case 'literal':
      return [tag.tag, () => tag.value];
    case 'environment': {
      const value = process.env[tag.name] ?? tag.defaultValue;
      return [tag.tag, () => value || undefined];
    }
    case 'request_header': {
      const read = requestHeaderReader(tag.name);
      return [tag.tag, ({ request }) => (read(request) ?? tag.defaultValue) || undefined];
    }
    case 'destination_workload':
      return [tag.tag, destinationWorkload];
  }
}

function destinationWorkload({ host }: StreamInfo): string | undefined {
  const workload = host?.endpoint?.workload;
  if (workload === undefined) return undefined;
  const { name, namespace, canonicalService, canonicalRevision, clusterId } = workload;
  return `${name};${namespace};${canonicalService};${canonicalRevision};${clusterId}`;
}

function namedRequestHeader(name: string): Named {
  const read = requestHeaderReader(name);
  return [name, ({ request }) => read(request)];
}

function namedResponseHeader(name: string): Named {
  const read = responseHeaderReader(name);
  return [name, ({ response }) => read(response)];
}

function writeCommon(writer: Writer, stream: StreamInfo, durationMs: number): void {
  const { startMs, codec, upstream } = stream;
  writeTime(writer, common.startTime, stream.timeSource.wallTimeMs(startMs));
  writeElapsed(writer, common.timeToLastRxByte, startMs, stream.requestEndMs);
  writeElapsed(writer, common.timeToFirstDownstreamTxByte, startMs, stream.responseStartMs);
  writeTime(writer, common.duration, durationMs);
  writeAddress(writer, common.downstreamRemoteAddress, stream.remoteAddress);
  writeAddress(writer, common.downstreamDirectRemoteAddress, codec?.remoteAddress);
  writeAddress(writer, common.downstreamLocalAddress, codec?.localAddress);
  writeAddress(writer, common.upstreamRemoteAddress, upstreamAddress(stream));
  writeAddress(writer, common.upstreamLocalAddress, upstream?.connection?.localAddress);
  writeText(writer, common.upstreamCluster, stream.clusterName);
  writeText(writer, common.routeName, stream.routeName);
  writeText(writer, common.upstreamTransportFailureReason, stream.error?.transportFailureReason);
  if (stream.requestedServerName !== '') {
    writer.uint32(common.tlsProperties).fork();
    writeText(writer, tags.tls.sniHostname, stream.requestedServerName);
    writer.ldelim();
  }
  writeMetadata(writer, stream.metadata);
  writer.uint32(common.upstreamRequestAttemptCount).uint32(stream.attemptCount);
  const { request, connection } = accessLogTypes;
  writer.uint32(common.accessLogType).int32(stream.isConnection ? connection : request);
  if (stream.responseFlags !== '-') writeFlags(writer, stream.responseFlags);
}

/** What filters say of the request, as Envoy sends it with every entry. */
function writeMetadata(writer: Writer, metadata: StreamInfo['metadata']): void {
  const namespaces = metadata?.namespaces() ?? [];
  if (namespaces.length === 0) return;
  writer.uint32(common.metadata).fork();
  for (const namespace of namespaces) {
    writer.uint32(tags.metadata.filterMetadata).fork();
    writer.uint32(tags.mapEntry.key).string(namespace);
    writer.uint32(tags.mapEntry.value).fork();
    for (const [key, value] of Object.entries(metadata?.valuesOf(namespace) ?? {})) {
      writer.uint32(tags.struct.fields).fork();
      writer.uint32(tags.mapEntry.key).string(key);
      writer.uint32(tags.mapEntry.value).fork().uint32(tags.struct.stringValue).string(value).ldelim();
      writer.ldelim();
    }
    writer.ldelim();
    writer.ldelim();
  }
  writer.ldelim();
}

function writeFlags(writer: Writer, flags: string): void {
  writer.uint32(common.responseFlags).fork();
  for (const flag of flags.split(',')) {
    const field = isResponseFlag(flag) ? responseFlagFields[flag] : undefined;
    if (field === undefined) continue;
    if (flag === 'UAEX') writer.uint32(lengthTag(field)).fork().ldelim();
    else writer.uint32(varintTag(field)).bool(true);
  }
  writer.ldelim();
}

function writeConnection(writer: Writer, { requestBytes, responseBytes }: StreamInfo): void {
  writer.uint32(tags.tcpEntry.connection).fork();
  writer.uint32(tags.connection.receivedBytes).uint64(requestBytes);
  writer.uint32(tags.connection.sentBytes).uint64(responseBytes);
  writer.ldelim();
}

const readUserAgent = requestHeaderReader('user-agent');
const readReferer = requestHeaderReader('referer');
const readForwardedFor = requestHeaderReader('x-forwarded-for');
const readRequestId = requestHeaderReader('x-request-id');
const readOriginalPath = requestHeaderReader('x-envoy-original-path');

function writeRequest(writer: Writer, stream: StreamInfo, headers: readonly Named[]): void {
  const { request, requestBytes } = stream;
  const fields = tags.request;
  writer.uint32(tags.httpEntry.request).fork();
  writer.uint32(fields.method).int32(methods[request.method] ?? 0);
  writeText(writer, fields.scheme, request.method === '' ? undefined : schemeOf(request));
  writeText(writer, fields.authority, request.authority);
  writeText(writer, fields.path, request.path);
  writeText(writer, fields.userAgent, readUserAgent(request));
  writeText(writer, fields.referer, readReferer(request));
  writeText(writer, fields.forwardedFor, readForwardedFor(request));
  writeText(writer, fields.requestId, readRequestId(request));
  writeText(writer, fields.originalPath, readOriginalPath(request));
  writer.uint32(fields.bodyBytes).uint64(requestBytes);
  writeMap(writer, fields.headers, headers, stream);
  writer.ldelim();
}

function writeResponse(writer: Writer, stream: StreamInfo, headers: readonly Named[]): void {
  const { response, responseBytes } = stream;
  const fields = tags.response;
  writer.uint32(tags.httpEntry.response).fork();
  if (response.status !== 0) {
    writer.uint32(fields.code).fork().uint32(tags.wrapped.value).uint32(response.status).ldelim();
  }
  writer.uint32(fields.bodyBytes).uint64(responseBytes);
  writeMap(writer, fields.headers, headers, stream);
  writeText(writer, fields.codeDetails, responseCodeDetails(stream));
  writer.ldelim();
}

function writeMap(writer: Writer, tag: number, entries: readonly Named[], stream: StreamInfo): void {
  for (const [name, read] of entries) {
    const value = read(stream);
    if (value === undefined) continue;
    writer.uint32(tag).fork();
    writer.uint32(tags.mapEntry.key).string(name);
    writer.uint32(tags.mapEntry.value).string(value);
    writer.ldelim();
  }
}

function writeText(writer: Writer, tag: number, text: string | undefined): void {
  if (text !== undefined && text !== '') writer.uint32(tag).string(text);
}

function writeElapsed(writer: Writer, tag: number, fromMs: number, toMs: number): void {
  if (toMs >= 0) writeTime(writer, tag, toMs - fromMs);
}

/** A Timestamp or a Duration. */
function writeTime(writer: Writer, tag: number, ms: number): void {
  const seconds = Math.floor(ms / 1_000);
  const nanos = Math.min(999_999_999, Math.round((ms - seconds * 1_000) * 1e6));
  writer.uint32(tag).fork();
  if (seconds !== 0) writer.uint32(tags.time.seconds).int64(seconds);
  if (nanos !== 0) writer.uint32(tags.time.nanos).int32(nanos);
  writer.ldelim();
}

/** `address` is `ip:port`. */
function writeAddress(writer: Writer, tag: number, address: string | undefined): void {
  if (address === undefined) return;
  const colon = address.lastIndexOf(':');
  writer.uint32(tag).fork().uint32(tags.address.socketAddress).fork();
  writer.uint32(tags.socketAddress.address).string(address.slice(0, colon));
  writer.uint32(tags.socketAddress.portValue).uint32(Number(address.slice(colon + 1)) || 0);
  writer.ldelim().ldelim();
}
