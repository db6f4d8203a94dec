/** Answers with a gRPC status, and what that status is in HTTP. */
import { grpcStatuses } from '../common/grpc-statuses.ts';
import { HeaderName } from './header-name.ts';
import type { RequestHead, ResponseHead } from './message-head.ts';
import type { HttpStream, LocalResponse } from './stream.ts';

const contentType = new HeaderName('content-type');
const grpcStatus = new HeaderName('grpc-status');
const grpcMessage = new HeaderName('grpc-message');

/** `application/grpc`, alone or with a `+format` (grpc/grpc doc/PROTOCOL-HTTP2.md). */
export function isGrpcRequest({ headers }: RequestHead): boolean {
  const type = headers.get(contentType) ?? '';
  return type === 'application/grpc' || type.startsWith('application/grpc+');
}

export interface GrpcStatus {
  readonly status: number;
  readonly message: string;
  /** For the other headers. */
  readonly rules?: LocalResponse['rules'];
}

/** A response without messages: status and message stand in its head. */
export function sendGrpcStatus(stream: HttpStream, { status, message, rules = [] }: GrpcStatus): void {
  const { headers } = stream.prepareLocalReply(200);
  for (const rule of rules) rule(headers, stream);
  headers.set(contentType, 'application/grpc');
  headers.add(grpcStatus, String(status));
  headers.add(grpcMessage, percentEncoded(message));
  stream.encodeHeaders(true);
}

/** grpc/grpc doc/PROTOCOL-HTTP2.md, "Percent-Encoded": all but printable ASCII, and the percent sign. */
function percentEncoded(message: string): string {
  return message.replaceAll(/[^ -$&-~]+/gu, (text) =>
    Buffer.from(text).toString('hex').toUpperCase().replaceAll(/../g, '%$&'),
  );
}

export function httpStatusOfGrpc(status: number): number {
  return grpcStatuses[status]?.httpStatus ?? 500;
}

/**
 * The gRPC status that a response has or stands for (grpc/grpc doc/http-grpc-status-mapping.md); -1 when it has none of
 * those that there are, undefined when there is no response.
 */
export function grpcStatusOf({ headers, trailers, status }: ResponseHead): number | undefined {
  const text = headers.get(grpcStatus) ?? trailers.get(grpcStatus.text);
  if (text !== undefined) return /^\d{1,2}$/.test(text) && Number(text) < grpcStatuses.length ? Number(text) : -1;
  return status === 0 ? undefined : grpcStatusOfHttp(status);
}

export function grpcStatusOfHttp(status: number): number {
  return grpcStatusesOfHttp[status] ?? 2;
}

const grpcStatusesOfHttp: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};

/** `DeadlineExceeded`, or `DEADLINE_EXCEEDED`; a status that there is not is its number, as in Envoy. */
export function nameOfGrpcStatus(status: number, isSnakeCase: boolean): string {
  const known = grpcStatuses[status];
  if (known === undefined) return String(status);
  return isSnakeCase ? known.envoyName : known.camelCaseName;
}
