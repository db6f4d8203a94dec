/**
 * Shape 4: why a request or connection failed, as a value. One table maps each code to the HTTP status of the local
 * reply and to Envoy's response flag (Envoy docs `access_log/usage`, %RESPONSE_FLAGS%).
 */
export type MeshErrorCode =
  | 'bad_request'
  | 'headers_too_large'
  | 'not_implemented'
  | 'upgrade_rejected'
  | 'downstream_closed'
  | 'downstream_timeout'
  | 'request_idle_timeout'
  | 'response_idle_timeout'
  | 'no_route'
  | 'no_cluster'
  | 'no_healthy_upstream'
  | 'dns_failure'
  | 'forwarding_loop'
  | 'connect_failure'
  | 'connect_timeout'
  | 'upstream_reset'
  | 'upstream_remote_reset'
  | 'refused_stream'
  | 'upstream_protocol_error'
  | 'upstream_timeout'
  | 'overflow'
  | 'duration_limit'
  | 'fault_abort'
  | 'rate_limited'
  | 'forbidden'
  | 'unauthorized'
  | 'draining'
  | 'internal';

export interface MeshErrorClass {
  /** Status of the local reply; 0 when nobody is left to reply to. */
  readonly status: number;
  /** Envoy's response flag, or `-`. */
  readonly flag: string;
  readonly source: 'downstream' | 'upstream' | 'internal';
  /** Whether the request may be sent again: `always` when the application provably never saw it. */
  readonly retry: 'never' | 'always' | 'if-reused';
  /** Envoy's %RESPONSE_CODE_DETAILS%. */
  readonly details: string;
}

export const meshErrors: Readonly<Record<MeshErrorCode, MeshErrorClass>> = {
  bad_request: row(400, 'DPE', 'downstream', 'never', 'http1.codec_error'),
  headers_too_large: row(431, 'DPE', 'downstream', 'never', 'http1.headers_too_large'),
  not_implemented: row(501, 'DPE', 'downstream', 'never', 'http1.invalid_transfer_encoding'),
  upgrade_rejected: row(403, '-', 'downstream', 'never', 'upgrade_failed'),
  downstream_closed: row(0, 'DC', 'downstream', 'never', 'downstream_remote_disconnect'),
  downstream_timeout: row(408, '-', 'downstream', 'never', 'request_header_timeout'),
  request_idle_timeout: row(408, 'SI', 'downstream', 'never', 'stream_idle_timeout'),
  response_idle_timeout: row(504, 'SI', 'upstream', 'never', 'stream_idle_timeout'),
  no_route: row(404, 'NR', 'internal', 'never', 'route_not_found'),
  no_cluster: row(503, 'NC', 'internal', 'never', 'cluster_not_found'),
  no_healthy_upstream: row(503, 'UH', 'upstream', 'never', 'no_healthy_upstream'),
  dns_failure: row(503, 'DF', 'upstream', 'never', 'dns_resolution_failure'),
  // RFC 9110 §7.6: what is addressed to the proxy itself is answered, not forwarded; and here nothing is served.
  forwarding_loop: row(404, 'NR', 'internal', 'never', 'forwarding_loop'),
  // Its details end with what the system said; see `MeshError.details`.
  connect_failure: row(
    503,
    'UF',
    'upstream',
    'always',
    'upstream_reset_before_response_started{remote_connection_failure}',
  ),
  connect_timeout: row(503, 'UF', 'upstream', 'always', 'upstream_reset_before_response_started{connection_timeout}'),
  upstream_reset: row(
    503,
    'UC',
    'upstream',
    'if-reused',
    'upstream_reset_before_response_started{connection_termination}',
  ),
  // A stream of HTTP/2, by RST_STREAM.
  upstream_remote_reset: row(503, 'UR', 'upstream', 'never', 'upstream_reset_before_response_started{remote_reset}'),
  // RFC 9113 §8.7: nothing was done with the request.
  refused_stream: row(
    503,
    'UR',
    'upstream',
    'always',
    'upstream_reset_before_response_started{remote_refused_stream_reset}',
  ),
  upstream_protocol_error: row(
    502,
    'UPE',
    'upstream',
    'never',
    'upstream_reset_before_response_started{protocol_error}',
  ),
  upstream_timeout: row(504, 'UT', 'upstream', 'never', 'response_timeout'),
  overflow: row(503, 'UO', 'upstream', 'never', 'upstream_reset_before_response_started{overflow}'),
  // Of connections that carry no requests.
  duration_limit: row(0, 'DT', 'internal', 'never', 'duration_timeout'),
  fault_abort: row(503, 'FI', 'internal', 'never', 'fault_filter_abort'),
  rate_limited: row(429, 'RL', 'internal', 'never', 'local_rate_limited'),
  // Envoy has no flag for it; its details name the policy.
  forbidden: row(403, '-', 'internal', 'never', 'rbac_access_denied_matched_policy[none]'),
  unauthorized: row(403, 'UAEX', 'internal', 'never', 'ext_authz_denied'),
  draining: row(503, 'OM', 'internal', 'never', 'draining'),
  internal: row(500, '-', 'internal', 'never', 'internal_error'),
};

function row(
  ...[status, flag, source, retry, details]: [number, string, MeshErrorClass['source'], MeshErrorClass['retry'], string]
): MeshErrorClass {
  return { status, flag, source, retry, details };
}

/** A failure with its code; `reason` is one sentence for people, `cause` what the platform said. */
export class MeshError {
  readonly code: MeshErrorCode;
  readonly reason: string;
  readonly cause: unknown;
  readonly #details: string | undefined;

  /** `details`: where they say more than those of the code. */
  constructor(code: MeshErrorCode, reason: string, { cause, details }: { cause?: unknown; details?: string } = {}) {
    this.code = code;
    this.reason = reason;
    this.cause = cause;
    this.#details = details;
  }

  /** Envoy's %RESPONSE_CODE_DETAILS%, where this is why no upstream answered. */
  get details(): string {
    const details = this.#details ?? this.class.details;
    const transport = this.transportFailureReason;
    return transport === undefined ? details : details.replace('}', `|${transport}}`);
  }

  /** Envoy's %UPSTREAM_TRANSPORT_FAILURE_REASON%: what the system or TLS said when no connection came about. */
  get transportFailureReason(): string | undefined {
    if (this.cause instanceof TransportFailure) return this.cause.reason;
    if (this.code !== 'connect_failure' || !(this.cause instanceof Error)) return undefined;
    const { code = '' } = this.cause as NodeJS.ErrnoException;
    return `delayed_connect_error:_${(systemErrors[code] ?? code) || 'Unknown_error'}`;
  }

  get class(): MeshErrorClass {
    return meshErrors[this.code];
  }
}

/** What a transport socket found wrong with a connection: a handshake that failed. */
export class TransportFailure extends Error {
  /** Envoy's %UPSTREAM_TRANSPORT_FAILURE_REASON%, without spaces. */
  readonly reason: string;

  constructor(message: string, reason: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'TransportFailure';
    this.reason = reason;
  }
}

/** What `strerror` says of the errors of `connect`, as one word. */
const systemErrors: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'Cannot_assign_requested_address',
  ECONNREFUSED: 'Connection_refused',
  ECONNRESET: 'Connection_reset_by_peer',
  EHOSTUNREACH: 'No_route_to_host',
  EMFILE: 'Too_many_open_files',
  ENETUNREACH: 'Network_is_unreachable',
  ETIMEDOUT: 'Connection_timed_out',
};
