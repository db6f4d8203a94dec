/** Everything that is known about gRPC statuses by their number; the index of each is that number. */
export interface GrpcStatus {
  /** gRPC's own, and what Istio's resources say (grpc/grpc doc/statuscodes.md). */
  readonly name: string;
  /** Envoy's, in configuration and in access logs. Only one is spelled differently. */
  readonly envoyName: string;
  /** As access logs have it when they do not ask for another form. */
  readonly camelCaseName: string;
  /** What it is in HTTP: Envoy's table, `source/common/grpc/status.cc`. */
  readonly httpStatus: number;
}

export const grpcStatuses: readonly GrpcStatus[] = [
  statusOf('OK', 'OK', 200),
  { ...statusOf('CANCELED', 'Canceled', 499), name: 'CANCELLED' },
  statusOf('UNKNOWN', 'Unknown', 500),
  statusOf('INVALID_ARGUMENT', 'InvalidArgument', 400),
  statusOf('DEADLINE_EXCEEDED', 'DeadlineExceeded', 504),
  statusOf('NOT_FOUND', 'NotFound', 404),
  statusOf('ALREADY_EXISTS', 'AlreadyExists', 409),
  statusOf('PERMISSION_DENIED', 'PermissionDenied', 403),
  statusOf('RESOURCE_EXHAUSTED', 'ResourceExhausted', 429),
  statusOf('FAILED_PRECONDITION', 'FailedPrecondition', 400),
  statusOf('ABORTED', 'Aborted', 409),
  statusOf('OUT_OF_RANGE', 'OutOfRange', 400),
  statusOf('UNIMPLEMENTED', 'Unimplemented', 501),
  statusOf('INTERNAL', 'Internal', 500),
  statusOf('UNAVAILABLE', 'Unavailable', 503),
  statusOf('DATA_LOSS', 'DataLoss', 500),
  statusOf('UNAUTHENTICATED', 'Unauthenticated', 401),
];

function statusOf(envoyName: string, camelCaseName: string, httpStatus: number): GrpcStatus {
  return { name: envoyName, envoyName, camelCaseName, httpStatus };
}

/** The number of a status by one of its names; -1 when there is none of that name. */
export function grpcStatusNumber(key: 'name' | 'envoyName', name: string): number {
  return grpcStatuses.findIndex((status) => status[key] === name);
}
