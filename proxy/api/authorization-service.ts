/** Envoy's `envoy.service.auth.v3.Authorization/Check`: whether a request may pass, in plain values. */
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Decoded } from '../common/decoded.ts';
import type { CheckRequest, HeaderValueOption } from './envoy.gen.ts';
import { grpcBytes } from './grpc-bytes.ts';
import { statusOfName } from './http-status.ts';
import { decode, encode } from './protojson.ts';

export const checkMethod: MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/envoy.service.auth.v3.Authorization/Check',
  requestStream: false,
  responseStream: false,
  requestSerialize: grpcBytes.serialize,
  requestDeserialize: grpcBytes.deserialize,
  responseSerialize: grpcBytes.serialize,
  responseDeserialize: grpcBytes.deserialize,
};

/** What a grpc-js server registers. */
export const authorizationService = { check: checkMethod };

export interface CheckedHeader {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  /** Stands beside what is there; otherwise takes its place. */
  readonly isAppended: boolean;
}

export type CheckAnswer =
  | {
      readonly isAllowed: true;
      readonly requestHeaders: readonly CheckedHeader[];
      readonly removedHeaders: readonly string[];
      readonly responseHeaders: readonly CheckedHeader[];
    }
  | {
      readonly isAllowed: false;
      readonly status: number;
      readonly body: string;
      readonly responseHeaders: readonly CheckedHeader[];
    };

export function encodeCheckRequest(request: CheckRequest): Uint8Array {
  return encode('envoy.service.auth.v3.CheckRequest', request);
}

/** Refuses what cannot be done, so that no half of an answer is in force. */
export function decodeCheckResponse(bytes: Uint8Array): Decoded<CheckAnswer> {
  const decoded = decode('envoy.service.auth.v3.CheckResponse', bytes);
  if (decoded.errors !== undefined) return decoded;
  const { status: verdict, denied_response: denied = {}, ok_response: ok = {} } = decoded.value;
  if ((verdict?.code ?? 0) !== 0) {
    const name = denied.status?.code;
    const status = name === undefined ? 403 : statusOfName(name);
    if (status === undefined) return fault('denied_response.status', `must be an HTTP status, got ${name}`);
    return headersOr(denied.headers, 'denied_response.headers', false, (responseHeaders) => {
      return { value: { isAllowed: false, status, body: denied.body ?? '', responseHeaders } };
    });
  }
  if (ok.query_parameters_to_set?.length || ok.query_parameters_to_remove?.length) {
    return fault('ok_response', 'changes of query parameters are not supported');
  }
  const removedHeaders = (ok.headers_to_remove ?? []).map((name) => name.toLowerCase());
  const unchangeable = removedHeaders.find((name) => !isChangeable(name));
  if (unchangeable !== undefined) return fault('ok_response.headers_to_remove', `${unchangeable} must stay`);
  return headersOr(ok.headers, 'ok_response.headers', false, (requestHeaders) =>
    headersOr(ok.response_headers_to_add, 'ok_response.response_headers_to_add', true, (responseHeaders) => {
      return { value: { isAllowed: true, requestHeaders, removedHeaders, responseHeaders } };
    }),
  );
}

/** `append` is false where it is not set, unlike in configuration; for headers of responses `append_action` counts then. */
function headersOr(
  options: readonly HeaderValueOption[] = [],
  path: string,
  appendsUnset: boolean,
  use: (headers: CheckedHeader[]) => Decoded<CheckAnswer>,
): Decoded<CheckAnswer> {
  const headers: CheckedHeader[] = [];
  for (const { header = {}, append, append_action: action } of options) {
    const name = (header.key ?? '').toLowerCase();
    const value = header.value ?? '';
    if (!isChangeable(name) || /[\r\n\0]/.test(value)) return fault(path, `${JSON.stringify(name)} cannot be set`);
    const isAppended = append ?? (appendsUnset && (action ?? 'APPEND_IF_EXISTS_OR_ADD') === 'APPEND_IF_EXISTS_OR_ADD');
    headers.push({ name, value, isAppended });
  }
  return use(headers);
}

/** What frames a message, and what is no header line, is not up to the service. */
const unchangeable: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
]);

function isChangeable(name: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) && !unchangeable.has(name);
}

function fault(path: string, message: string): Decoded<never> {
  return { errors: [{ path, message }] };
}
