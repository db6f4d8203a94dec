/**
 * Decodes the entries of the access-log service, only as far as they are counted. Entries come by ten thousands a second:
 * each is read into the same object, and what nobody counts is passed over as bytes.
 */
import type { Decoded } from '../common/decoded.ts';
import {
  accessLogTags,
  destinationWorkloadTag,
  finalLogTypes,
  reporterTag,
  responseFlagFields,
  traceParentHeader,
} from './access-log-service.ts';
import type { Node as NodeJson } from './envoy.gen.ts';
import { peerMetadataHeader } from './peer-metadata.ts';
import { decode } from './protojson.ts';
import { WireReader } from './wire-reader.ts';
import { lengthTag, varintTag } from './wire-tags.ts';

/** Longer values are hostile: nothing that a mesh is told by is longer, except the metadata of a peer. */
const maxValueBytes = 1_024;
const maxPeerMetadataBytes = 4_096;

/** One finished request or connection. The decoder reuses it: keep what it says, not the object. */
export class LogEntry {
  /** A connection whose requests, if any, nobody knows. */
  isConnection = false;
  /** It goes on: its last entry will say it all. */
  isIntermediate = false;
  /** A value is longer than any that a mesh has. */
  isOversized = false;
  cluster = '';
  /** Of the custom tags; empty where the listener has none. */
  reporter = '';
  destinationWorkload = '';
  /** Of the headers, when they are logged. */
  peerMetadata = '';
  traceParent = '';
  /** 0: there was no response. */
  responseCode = 0;
  /** `-` for none. */
  responseFlags = '-';
  /** NaN: a negative number came. */
  durationMs = 0;
  /** Milliseconds since the epoch; 0 when not said. */
  startMs = 0;
  requestBytes = 0;
  responseBytes = 0;
  /** 1: every request is logged; 0.1: this one stands for ten. */
  sampleRate = 1;

  reset(isConnection: boolean): void {
    this.isConnection = isConnection;
    this.isIntermediate = false;
    this.isOversized = false;
    this.cluster = '';
    this.reporter = '';
    this.destinationWorkload = '';
    this.peerMetadata = '';
    this.traceParent = '';
    this.responseCode = 0;
    this.responseFlags = '-';
    this.durationMs = 0;
    this.startMs = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.sampleRate = 1;
  }
}

export interface LogMessageVisitor {
  /** Who sends: with the first message of a stream, before its entries. */
  onNode(node: NodeJson): void;
  onEntry(entry: LogEntry): void;
}

const entry = new LogEntry();

/** Hands over what the message contains, in its order; on broken bytes the entries before them have been handed over. */
export function decodeAccessLogs(bytes: Uint8Array, visitor: LogMessageVisitor): Decoded<undefined> {
  const reader = new WireReader(bytes);
  const { identifier, httpLogs, tcpLogs } = accessLogTags.message;
  try {
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === identifier) {
        const node = readNode(reader);
        if (node.errors !== undefined) return node;
        visitor.onNode(node.value);
      } else if (tag === httpLogs || tag === tcpLogs) readEntries(reader, tag === tcpLogs, visitor);
      else reader.skip(tag);
    }
    return { value: undefined };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { errors: [{ path: '', message: `must be an encoded StreamAccessLogsMessage: ${error.message}` }] };
  }
}

function readNode(reader: WireReader): Decoded<NodeJson> {
  let node: Decoded<NodeJson> = { value: {} };
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === accessLogTags.identifier.node) {
      const nodeEnd = reader.enter();
      node = decode('envoy.config.core.v3.Node', reader.rest());
      reader.leave(nodeEnd);
    } else reader.skip(tag);
  }
  reader.leave(end);
  return node;
}

function readEntries(reader: WireReader, isConnection: boolean, visitor: LogMessageVisitor): void {
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === accessLogTags.entries.entry) {
      entry.reset(isConnection);
      readEntry(reader);
      visitor.onEntry(entry);
    } else reader.skip(tag);
  }
  reader.leave(end);
}

function readEntry(reader: WireReader): void {
  const { httpEntry, tcpEntry } = accessLogTags;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === httpEntry.common) readCommon(reader);
    else if (entry.isConnection && tag === tcpEntry.connection) readConnection(reader);
    else if (!entry.isConnection && tag === httpEntry.request) readRequest(reader);
    else if (!entry.isConnection && tag === httpEntry.response) readResponse(reader);
    else reader.skip(tag);
  }
  reader.leave(end);
}

const common = accessLogTags.common;

function readCommon(reader: WireReader): void {
  let lastByteMs = 0;
  let isDurationSaid = false;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === common.startTime) entry.startMs = readTimeMs(reader);
    else if (tag === common.upstreamCluster) entry.cluster = readText(reader, maxValueBytes);
    else if (tag === common.duration) {
      entry.durationMs = readTimeMs(reader);
      isDurationSaid = true;
    } else if (tag === common.timeToLastDownstreamTxByte) lastByteMs = readTimeMs(reader);
    else if (tag === common.responseFlags) entry.responseFlags = readFlags(reader);
    else if (tag === common.customTags) readCustomTag(reader);
    else if (tag === common.sampleRate) entry.sampleRate = reader.double();
    else if (tag === common.accessLogType) entry.isIntermediate = !finalLogTypes.has(reader.varint());
    else reader.skip(tag);
  }
  reader.leave(end);
  // Envoys before 1.26 have no field for the duration of the whole.
  if (!isDurationSaid) entry.durationMs = lastByteMs;
}

function readConnection(reader: WireReader): void {
  const { receivedBytes, sentBytes } = accessLogTags.connection;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === receivedBytes) entry.requestBytes = reader.varint();
    else if (tag === sentBytes) entry.responseBytes = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(end);
}

function readRequest(reader: WireReader): void {
  const { bodyBytes, headers } = accessLogTags.request;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === bodyBytes) entry.requestBytes = reader.varint();
    else if (tag === headers) readHeader(reader);
    else reader.skip(tag);
  }
  reader.leave(end);
}

function readResponse(reader: WireReader): void {
  const { code, bodyBytes } = accessLogTags.response;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === code) entry.responseCode = readWrapped(reader);
    else if (tag === bodyBytes) entry.responseBytes = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(end);
}

const knownKeys = new Map(
  [reporterTag, destinationWorkloadTag, peerMetadataHeader, traceParentHeader].map((key) => [key, Buffer.from(key)]),
);

function readCustomTag(reader: WireReader): void {
  const end = reader.enter();
  const key = readKey(reader);
  if (key === reporterTag) entry.reporter = readMapValue(reader, maxValueBytes);
  else if (key === destinationWorkloadTag) entry.destinationWorkload = readMapValue(reader, maxValueBytes);
  reader.leave(end);
}

function readHeader(reader: WireReader): void {
  const end = reader.enter();
  const key = readKey(reader);
  if (key === peerMetadataHeader) entry.peerMetadata = readMapValue(reader, maxPeerMetadataBytes);
  else if (key === traceParentHeader) entry.traceParent = readMapValue(reader, maxValueBytes);
  reader.leave(end);
}

/** The key of a map's entry when it is one of those above; every encoder writes it first. */
function readKey(reader: WireReader): string | undefined {
  if (reader.isAtEnd || reader.varint() !== accessLogTags.mapEntry.key) return undefined;
  const end = reader.enter();
  const rest = reader.rest();
  reader.leave(end);
  for (const [key, bytes] of knownKeys) if (bytes.equals(rest)) return key;
  return undefined;
}

function readMapValue(reader: WireReader, maxBytes: number): string {
  if (reader.isAtEnd || reader.varint() !== accessLogTags.mapEntry.value) return '';
  return readText(reader, maxBytes);
}

function readText(reader: WireReader, maxBytes: number): string {
  const text = reader.stringUpTo(maxBytes);
  if (text === undefined) entry.isOversized = true;
  return text ?? '';
}

function readWrapped(reader: WireReader): number {
  let value = 0;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === accessLogTags.wrapped.value) value = reader.varint();
    else reader.skip(tag);
  }
  reader.leave(end);
  return value;
}

/** Negative numbers take ten bytes and would be beyond 2^63: NaN. */
function readTimeMs(reader: WireReader): number {
  const { seconds, nanos } = accessLogTags.time;
  let ms = 0;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === seconds || tag === nanos) {
      const value = reader.varint();
      if (value >= 2 ** 63) ms = NaN;
      ms += tag === seconds ? value * 1_000 : value / 1e6;
    } else reader.skip(tag);
  }
  reader.leave(end);
  return ms;
}

const flagsByTag = new Map(
  Object.entries(responseFlagFields).map(([flag, field]) => [
    flag === 'UAEX' ? lengthTag(field) : varintTag(field),
    flag,
  ]),
);

function readFlags(reader: WireReader): string {
  let flags = '';
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    const flag = readFlag(reader, tag);
    if (flag !== undefined) flags += flags === '' ? flag : `,${flag}`;
  }
  reader.leave(end);
  return flags || '-';
}

/** The one that is a message is set when it is there. */
function readFlag(reader: WireReader, tag: number): string | undefined {
  const flag = flagsByTag.get(tag);
  if (flag !== undefined && flag !== 'UAEX') return reader.varint() === 0 ? undefined : flag;
  reader.skip(tag);
  return flag;
}
