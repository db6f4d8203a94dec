/** Kubernetes' answers when something went wrong: `Status` objects. Source: k8s.io/apimachinery meta/v1, Status. */
import type { FieldError } from '../../proxy/common/decoded.ts';

export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Record<string, never>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: StatusReason;
  readonly details?: StatusDetails;
  readonly code: number;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  /** The plural of the kind. */
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
}

interface StatusCause {
  readonly reason: 'FieldValueInvalid';
  readonly field: string;
  readonly message: string;
}

/** Kubernetes' reasons and the HTTP status of each. */
const statusCodes = {
  BadRequest: 400,
  NotFound: 404,
  MethodNotAllowed: 405,
  RequestTimeout: 408,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
} as const;

export type StatusReason = keyof typeof statusCodes;

/** Thrown by handlers; the server answers with its Status. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: Status;
  /** Stands beside the Status in the answer: what Kubernetes has no field for. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(
    reason: StatusReason,
    message: string,
    details?: StatusDetails,
    extra: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details === undefined ? {} : { details }),
      code: statusCodes[reason],
    };
    this.extra = extra;
  }
}

export function success(details: StatusDetails): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details, code: 200 };
}

export function causesOf(errors: readonly FieldError[]): StatusCause[] {
  return errors.map(({ path, message }) => ({ reason: 'FieldValueInvalid', field: path, message }));
}
