/** Pure: how long a whole request may take. */
import type { RouteAction } from '../api/route.ts';
import { isGrpcRequest } from '../http/grpc-status.ts';
import { HeaderName } from '../http/header-name.ts';
import type { RequestHead } from '../http/message-head.ts';

const grpcTimeout = new HeaderName('grpc-timeout');

/**
 * The route's timeout. For gRPC, where the route has `max_grpc_timeout`, what the caller asks for in `grpc-timeout`, and
 * no more than that maximum (semantics S21); 0 = none.
 */
export function requestTimeoutMs({ timeoutMs, maxGrpcTimeoutMs }: RouteAction, head: RequestHead): number {
  if (maxGrpcTimeoutMs === undefined || head.method !== 'POST' || !isGrpcRequest(head)) return timeoutMs;
  const askedMs = parseGrpcTimeoutMs(head.headers.get(grpcTimeout) ?? '') ?? 0;
  if (maxGrpcTimeoutMs === 0) return askedMs;
  return askedMs === 0 ? maxGrpcTimeoutMs : Math.min(askedMs, maxGrpcTimeoutMs);
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** At most 8 digits and a unit (gRPC over HTTP/2, `Timeout`); whole milliseconds, never less than was asked for. */
function parseGrpcTimeoutMs(text: string): number | undefined {
  const parts = /^(\d{1,8})([HMSmun])$/.exec(text);
  const unit = unitMs[parts?.[2] ?? ''];
  return parts === null || unit === undefined ? undefined : Math.ceil(Number(parts[1]) * unit);
}
