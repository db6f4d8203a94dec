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
  RESPONSE_FLAGS: () => (stream) => stream.responseFlags,
  ROUTE_NAME: () => (stream) => stream.routeName || undefined,
  START_TIME: () => (stream) => new Date(stream.manager.wallTimeMs(stream.startMs)).toISOString(),
  UPSTREAM_CLUSTER: () => (stream) => stream.cluster?.config.name,
  UPSTREAM_HOST: () => (stream) => stream.host?.address,
  UPSTREAM_REMOTE_ADDRESS: () => (stream) => stream.host?.address,
};

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
