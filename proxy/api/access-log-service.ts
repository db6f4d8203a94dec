/**
 * Envoy's access-log service, `envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs`: what its encoder and its
 * decoder share. One entry per finished request or connection; the fields are those of `envoy.data.accesslog.v3`.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import type { ResponseFlag } from '../common/response-flags.ts';
import { grpcBytes } from './grpc-bytes.ts';
import { fixed64Tag, lengthTag, varintTag } from './wire-tags.ts';

/** A stream of encoded StreamAccessLogsMessages, answered by one empty message when it ends. */
export const streamAccessLogs: MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
  requestStream: true,
  responseStream: false,
  requestSerialize: grpcBytes.serialize,
  requestDeserialize: grpcBytes.deserialize,
  responseSerialize: grpcBytes.serialize,
  responseDeserialize: grpcBytes.deserialize,
};

/** What a grpc-js server registers. */
export const accessLogService = { streamAccessLogs };

/** In the node's metadata of a sidecar that counts over the metrics service too: its entries must not count again. */
export const reportsMetricsKey = 'REPORTS_METRICS';

/**
 * Custom tags with which pilot has listeners say what an entry has no field for: on which side they stand, and the
 * workload of the endpoint, in the form of its metadata (`name;namespace;service;revision;cluster`).
 */
export const reporterTag = 'heddle.reporter';
export const destinationWorkloadTag = 'heddle.destination_workload';

/** W3C Trace Context: where an entry names its trace, when the header is logged. */
export const traceParentHeader = 'traceparent';

/** Tags of the fields in use. */
export const accessLogTags = {
  message: { identifier: lengthTag(1), httpLogs: lengthTag(2), tcpLogs: lengthTag(3) },
  identifier: { node: lengthTag(1), logName: lengthTag(2) },
  entries: { entry: lengthTag(1) },
  httpEntry: { common: lengthTag(1), protocolVersion: varintTag(2), request: lengthTag(3), response: lengthTag(4) },
  tcpEntry: { common: lengthTag(1), connection: lengthTag(2) },
  connection: { receivedBytes: varintTag(1), sentBytes: varintTag(2) },
  common: {
    sampleRate: fixed64Tag(1),
    downstreamRemoteAddress: lengthTag(2),
    downstreamLocalAddress: lengthTag(3),
    tlsProperties: lengthTag(4),
    startTime: lengthTag(5),
    timeToLastRxByte: lengthTag(6),
    timeToFirstDownstreamTxByte: lengthTag(11),
    timeToLastDownstreamTxByte: lengthTag(12),
    upstreamRemoteAddress: lengthTag(13),
    upstreamLocalAddress: lengthTag(14),
    upstreamCluster: lengthTag(15),
    responseFlags: lengthTag(16),
    metadata: lengthTag(17),
    upstreamTransportFailureReason: lengthTag(18),
    routeName: lengthTag(19),
    downstreamDirectRemoteAddress: lengthTag(20),
    customTags: lengthTag(22),
    duration: lengthTag(23),
    upstreamRequestAttemptCount: varintTag(24),
    accessLogType: varintTag(33),
  },
  tls: { sniHostname: lengthTag(3) },
  mapEntry: { key: lengthTag(1), value: lengthTag(2) },
  metadata: { filterMetadata: lengthTag(1) },
  /** `google.protobuf.Struct` and `Value`. */
  struct: { fields: lengthTag(1), stringValue: lengthTag(3) },
  request: {
    method: varintTag(1),
    scheme: lengthTag(2),
    authority: lengthTag(3),
    path: lengthTag(5),
    userAgent: lengthTag(6),
    referer: lengthTag(7),
    forwardedFor: lengthTag(8),
    requestId: lengthTag(9),
    originalPath: lengthTag(10),
    bodyBytes: varintTag(12),
    headers: lengthTag(13),
  },
  response: { code: lengthTag(1), bodyBytes: varintTag(3), headers: lengthTag(4), codeDetails: lengthTag(6) },
  /** `google.protobuf.UInt32Value`. */
  wrapped: { value: varintTag(1) },
  /** `google.protobuf.Timestamp` and `Duration`. */
  time: { seconds: varintTag(1), nanos: varintTag(2) },
  address: { socketAddress: lengthTag(1) },
  socketAddress: { address: lengthTag(2), portValue: varintTag(3) },
} as const;

/** Fields of `ResponseFlags`, each true; only `unauthorized_details` is a message. In Envoy's order of flags. */
export const responseFlagFields: Readonly<Partial<Record<ResponseFlag, number>>> = {
  LH: 1,
  UH: 2,
  UT: 3,
  LR: 4,
  UR: 5,
  UF: 6,
  UC: 7,
  UO: 8,
  NR: 9,
  DI: 10,
  FI: 11,
  RL: 12,
  UAEX: 13,
  RLSE: 14,
  DC: 15,
  URX: 16,
  SI: 17,
  IH: 18,
  DPE: 19,
  UMSDR: 20,
  RFCF: 21,
  NFCF: 22,
  DT: 23,
  UPE: 24,
  NC: 25,
  OM: 26,
  DF: 27,
  DR: 28,
};

/** `AccessLogType` of entries that are the last of their request or connection; all others tell of one that goes on. */
export const finalLogTypes: ReadonlySet<number> = new Set([0, 3, 6, 13]);

/** `DownstreamEnd` and `TcpConnectionEnd`. */
export const accessLogTypes = { request: 6, connection: 3 } as const;
