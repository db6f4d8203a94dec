/**
 * What a response came to as one number, by which its series is found: the status of HTTP in the thousands' remainder, and
 * above it, for gRPC, one and then the status of gRPC.
 */
import { grpcStatusOf, isGrpcRequest } from '../http/grpc-status.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';

const stride = 1_000;
const unknownGrpcStatus = 2;

export interface ResponseOutcome {
  readonly status: number;
  readonly isGrpc: boolean;
  /** Empty where the call had no answer. */
  readonly grpcStatus: string;
}

/** `status` is that of `response` unless that is what the client was told. */
export function packOutcome(request: RequestHead, response: ResponseHead): number {
  if (!isGrpcRequest(request)) return response.status;
  const grpcStatus = grpcStatusOf(response);
  const told = grpcStatus === undefined ? 0 : 1 + (grpcStatus < 0 ? unknownGrpcStatus : grpcStatus);
  return response.status + stride * (1 + told);
}

export function unpackOutcome(outcome: number): ResponseOutcome {
  const status = outcome % stride;
  const above = Math.floor(outcome / stride);
  return { status, isGrpc: above > 0, grpcStatus: above > 1 ? String(above - 2) : '' };
}
