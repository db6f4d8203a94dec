/** The one table of what each variable of a format string reads from a stream; undefined where there is no value yet. */
import { hostname } from 'node:os';
import type { FormatVariable } from '../common/format-string.ts';
import { requestHeaderReader, responseHeaderReader } from '../http/header-reader.ts';
import type { HttpStream } from '../http/stream.ts';

export type StreamReader = (stream: HttpStream) => string | undefined;

/** `headerNames`: for REQ and RESP, in the order in which they are tried. */
export const streamVariables: Readonly<Record<FormatVariable, (headerNames: readonly string[]) => StreamReader>> = {
  BYTES_RECEIVED: () => (stream) => String(stream.requestBytes),
  BYTES_SENT: () => (stream) => String(stream.responseBytes),
  DOWNSTREAM_LOCAL_ADDRESS: () => (stream) => stream.codec?.localAddress,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(stream.codec?.localAddress),
  DOWNSTREAM_LOCAL_PORT: () => (stream) => portOf(stream.codec?.localAddress),
  DOWNSTREAM_REMOTE_ADDRESS: () => (stream) => stream.codec?.remoteAddress,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(stream.codec?.remoteAddress),
  DOWNSTREAM_REMOTE_PORT: () => (stream) => portOf(stream.codec?.remoteAddress),
  // Nothing else is known of a peer than who connected: x-forwarded-for is not trusted.
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: () => (stream) => stream.codec?.remoteAddress,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(stream.codec?.remoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_PORT: () => (stream) => portOf(stream.codec?.remoteAddress),
  DURATION: () => (stream) => String(Math.round(stream.manager.nowMs() - stream.startMs)),
  HOSTNAME: () => {
    const name = hostname();
    return () => name;
  },
  PROTOCOL: () => (stream) => stream.codec?.protocol,
  REQ: (names) => {
    const [first = readNothing, second = readNothing] = names.map(requestHeaderReader);
    return ({ request }) => first(request) ?? second(request);
  },
  RESP: (names) => {
    const [first = readNothing, second = readNothing] = names.map(responseHeaderReader);
    return ({ response }) => first(response) ?? second(response);
  },
  RESPONSE_CODE: () => (stream) => String(stream.response.status),
  RESPONSE_CODE_DETAILS: () => responseCodeDetails,
  RESPONSE_FLAGS: () => (stream) => stream.responseFlags,
  ROUTE_NAME: () => (stream) => stream.routeName || undefined,
  START_TIME: () => (stream) => new Date(stream.manager.wallTimeMs(stream.startMs)).toISOString(),
  UPSTREAM_CLUSTER: () => (stream) => stream.cluster?.config.name,
  UPSTREAM_CLUSTER_RAW: () => (stream) => stream.cluster?.config.name,
  UPSTREAM_HOST: () => (stream) => stream.host?.address,
  UPSTREAM_REMOTE_ADDRESS: () => (stream) => stream.host?.address,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: () => (stream) => addressOf(stream.host?.address),
  UPSTREAM_REMOTE_PORT: () => (stream) => portOf(stream.host?.address),
};

/** Variables whose values JSON writes as numbers. */
export const numericVariables: ReadonlySet<FormatVariable> = new Set([
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'DOWNSTREAM_DIRECT_REMOTE_PORT',
  'DOWNSTREAM_LOCAL_PORT',
  'DOWNSTREAM_REMOTE_PORT',
  'DURATION',
  'RESPONSE_CODE',
  'UPSTREAM_REMOTE_PORT',
]);

/** Why the response has its code, in Envoy's words; nothing before there is one. */
function responseCodeDetails({ error, response, cluster }: HttpStream): string | undefined {
  if (error !== undefined) return error.class.details;
  if (response.status === 0) return undefined;
  return cluster === undefined ? 'direct_response' : 'via_upstream';
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
