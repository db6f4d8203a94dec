/** The one table of what each variable of a format string reads from a stream; undefined where there is no value yet. */
import { hostname } from 'node:os';
import { requireValue } from '../common/decoded.ts';
import type { FormatCommand, FormatVariable } from '../common/format-string.ts';
import { isResponseFlag, responseFlagNames } from '../common/response-flags.ts';
import { parseTimeFormat } from '../common/time-format.ts';
import { grpcStatusOf, isGrpcRequest, nameOfGrpcStatus } from '../http/grpc-status.ts';
import { requestHeaderReader, responseHeaderReader } from '../http/header-reader.ts';
import type { StreamInfo } from '../http/stream-info.ts';

/** Numbers are put into words where they are written: JSON has a form of its own for them. */
export type StreamValue = string | number | undefined;
export type StreamReader = (stream: StreamInfo) => StreamValue;

const streamVariables: Readonly<Record<FormatVariable, (command: FormatCommand) => StreamReader>> = {
  BYTES_RECEIVED: () => (stream) => stream.requestBytes,
  BYTES_SENT: () => (stream) => stream.responseBytes,
  CONNECTION_ID: () => (stream) => stream.codec?.connectionId,
  CONNECTION_TERMINATION_DETAILS: () => (stream) => stream.terminationDetails,
  DOWNSTREAM_LOCAL_ADDRESS: () => (stream) => stream.codec?.localAddress,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(stream.codec?.localAddress),
  DOWNSTREAM_LOCAL_PORT: () => (stream) => portOf(stream.codec?.localAddress),
  DOWNSTREAM_REMOTE_ADDRESS: () => (stream) => stream.remoteAddress,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(stream.remoteAddress),
  DOWNSTREAM_REMOTE_PORT: () => (stream) => portOf(stream.remoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: () => (stream) => stream.codec?.remoteAddress,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(stream.codec?.remoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_PORT: () => (stream) => portOf(stream.codec?.remoteAddress),
  DURATION: () => (stream) => elapsed(stream.startMs, endOrNow(stream)),
  DYNAMIC_METADATA: ({ argument }) => {
    const [namespace = '', key = ''] = argument.split(':');
    return ({ metadata }) => metadata?.get(namespace, key);
  },
  ENVIRONMENT: ({ argument }) => {
    // Envoy's word for a variable that is not set, in JSON too.
    const value = process.env[argument] ?? '-';
    return () => value;
  },
  GRPC_STATUS: ({ argument }) => grpcStatusReader(argument),
  GRPC_STATUS_NUMBER: () => grpcStatusReader('NUMBER'),
  HOSTNAME: () => {
    const name = hostname();
    return () => name;
  },
  PROTOCOL: () => (stream) => stream.codec?.protocol,
  REQ: ({ headerNames }) => {
    const [first = readNothing, second = readNothing] = headerNames.map((name) => requestHeaderReader(name, 'first'));
    return ({ request }) => first(request) ?? second(request);
  },
  REQUESTED_SERVER_NAME: () => (stream) => stream.requestedServerName || undefined,
  REQUEST_DURATION: () => (stream) => elapsed(stream.startMs, stream.requestEndMs),
  RESP: ({ headerNames }) => {
    const [first = readNothing, second = readNothing] = headerNames.map((name) => responseHeaderReader(name, 'first'));
    return ({ response }) => first(response) ?? second(response);
  },
  RESPONSE_CODE: () => (stream) => stream.response.status,
  RESPONSE_CODE_DETAILS: () => responseCodeDetails,
  RESPONSE_DURATION: () => (stream) => elapsed(stream.startMs, stream.responseStartMs),
  RESPONSE_FLAGS: () => (stream) => stream.responseFlags,
  RESPONSE_FLAGS_LONG: () => (stream) => longFlags(stream.responseFlags),
  RESPONSE_TX_DURATION: () => responseTxDuration,
  ROUTE_NAME: () => (stream) => stream.routeName || undefined,
  START_TIME: ({ argument }) => {
    const write = requireValue(parseTimeFormat(argument), 'START_TIME');
    // Under load several requests begin in one millisecond.
    let lastMs = 0;
    let text = write(new Date(lastMs));
    return (stream) => {
      const ms = Math.floor(stream.timeSource.wallTimeMs(stream.startMs));
      if (ms !== lastMs) text = write(new Date((lastMs = ms)));
      return text;
    };
  },
  TRACE_ID: () => (stream) => stream.traceId || undefined,
  // Those of HTTP/1.1 end at this hop.
  TRAILER: ({ headerNames }) => {
    const [first = '', second = ''] = headerNames;
    return ({ response: { trailers } }) => trailers.get(first) ?? trailers.get(second);
  },
  UPSTREAM_CLUSTER: () => (stream) => stream.clusterName,
  UPSTREAM_CLUSTER_RAW: () => (stream) => stream.clusterName,
  UPSTREAM_CONNECTION_ID: () => (stream) => stream.upstream?.connection?.id ?? 0,
  UPSTREAM_HOST: () => upstreamAddress,
  UPSTREAM_LOCAL_ADDRESS: () => upstreamLocalAddress,
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(upstreamLocalAddress(stream)),
  UPSTREAM_LOCAL_PORT: () => (stream) => portOf(upstreamLocalAddress(stream)),
  UPSTREAM_PROTOCOL: () => (stream) => (stream.isConnection ? undefined : stream.upstream?.connection?.protocol),
  UPSTREAM_REMOTE_ADDRESS: () => upstreamRemoteAddress,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(upstreamRemoteAddress(stream)),
  UPSTREAM_REMOTE_PORT: () => (stream) => portOf(upstreamRemoteAddress(stream)),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: () => (stream) => stream.attemptCount,
  UPSTREAM_TRANSPORT_FAILURE_REASON: () => (stream) => stream.error?.transportFailureReason,
  VIRTUAL_CLUSTER_NAME: () => readNothing,
};

/** What a command stands for, no longer than it may be. */
export function readerOf(command: FormatCommand): StreamReader {
  const { variable, maxLength } = command;
  const read = streamVariables[variable](command);
  return maxLength === undefined ? read : (stream) => read(stream)?.toString().slice(0, maxLength);
}

/** Whether JSON writes its values as numbers. */
export function isNumeric({ variable, argument }: FormatCommand): boolean {
  return numericVariables.has(variable) || (variable === 'GRPC_STATUS' && argument === 'NUMBER');
}

const numericVariables: ReadonlySet<FormatVariable> = new Set<FormatVariable>([
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'CONNECTION_ID',
  'DOWNSTREAM_DIRECT_REMOTE_PORT',
  'DOWNSTREAM_LOCAL_PORT',
  'DOWNSTREAM_REMOTE_PORT',
  'DURATION',
  'GRPC_STATUS_NUMBER',
  'REQUEST_DURATION',
  'RESPONSE_CODE',
  'RESPONSE_DURATION',
  'RESPONSE_TX_DURATION',
  'UPSTREAM_CONNECTION_ID',
  'UPSTREAM_LOCAL_PORT',
  'UPSTREAM_REMOTE_PORT',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
]);

/** Why the response has its code, in Envoy's words; nothing before there is one. */
export function responseCodeDetails({
  isConnection,
  error,
  response,
  localReplyDetails,
}: StreamInfo): string | undefined {
  if (localReplyDetails !== undefined || isConnection) return localReplyDetails;
  if (error !== undefined) {
    // The response of an upstream had begun, or nobody was left to answer.
    return response.status === 0 ? error.details : error.details.replace('_before_response_', '_after_response_');
  }
  return response.status === 0 ? undefined : 'via_upstream';
}

/** From the first byte of the upstream's response until all of it was written downstream. */
function responseTxDuration(stream: StreamInfo): number | undefined {
  const { error, responseStartMs } = stream;
  return error === undefined ? elapsed(responseStartMs, responseStartMs < 0 ? -1 : endOrNow(stream)) : undefined;
}

function endOrNow({ endMs, timeSource }: StreamInfo): number {
  return endMs < 0 ? timeSource.nowMs() : endMs;
}

/** Whole milliseconds, or nothing when the second moment, -1, never came. */
function elapsed(fromMs: number, toMs: number): number | undefined {
  return toMs < 0 ? undefined : Math.round(toMs - fromMs);
}

function longFlags(flags: string): string {
  return flags
    .split(',')
    .map((flag) => (isResponseFlag(flag) ? responseFlagNames[flag] : flag))
    .join(',');
}

function grpcStatusReader(format: string): StreamReader {
  return ({ request, response }) => {
    const status = isGrpcRequest(request) ? grpcStatusOf(response) : undefined;
    if (status === undefined || format === 'NUMBER') return status;
    return nameOfGrpcStatus(status, format === 'SNAKE_STRING');
  };
}

/** A request that the circuit breaker kept back had no host, although one was chosen for it. */
export function upstreamAddress({ error, host }: StreamInfo): string | undefined {
  return error?.code === 'overflow' ? undefined : host?.address;
}

/** Unlike the host, which was chosen, the peer was reached. */
function upstreamRemoteAddress({ upstream, host }: StreamInfo): string | undefined {
  return upstream?.connection === undefined ? undefined : host?.address;
}

function upstreamLocalAddress({ upstream }: StreamInfo): string | undefined {
  return upstream?.connection?.localAddress;
}

function readNothing(): undefined {
  return undefined;
}

/** The address of `ip:port`. */
function addressOf(address: string | undefined): string | undefined {
  return address?.slice(0, address.lastIndexOf(':'));
}

function portOf(address: string | undefined): string | undefined {
  return address?.slice(address.lastIndexOf(':') + 1);
}
