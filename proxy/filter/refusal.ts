/** How filters refuse a request: in HTTP, or in gRPC where the request is of gRPC, as Envoy's local replies. */
import type { MeshError } from '../common/errors.ts';
import { grpcStatusOfHttp, isGrpcRequest, sendGrpcStatus } from '../http/grpc-status.ts';
import type { HttpStream } from '../http/stream.ts';

export interface Refusal {
  readonly status: number;
  readonly body: string;
  readonly error: MeshError;
}

export function refuse(stream: HttpStream, { status: plainStatus, body: plainBody, error }: Refusal): void {
  stream.error = error;
  const custom = stream.refusals?.find(stream);
  const status = custom?.status ?? plainStatus;
  const body = custom?.body ?? plainBody;
  const rules = custom?.rules ?? [];
  if (isGrpcRequest(stream.request)) sendGrpcStatus(stream, { status: grpcStatusOfHttp(status), message: body, rules });
  else stream.sendDirectResponse(status, body, error, rules);
}
