/** What the labels of Istio's request metrics say about a request: where it went, who tells, and whether it failed. */
import type { Label } from '../../proxy/common/exposition.ts';

export type RequestOutcome =
  | 'succeeded'
  | 'failed'
  /** The client's own doing: it tells nothing about the version. */
  | 'excluded';

export interface RequestLabels {
  /** The host's full name. */
  readonly host: string;
  readonly version: string;
  readonly reporter: string;
  readonly sourceWorkload: string;
  readonly outcome: RequestOutcome;
}

/**
 * Response flags of requests that got no response: connection failure, connection termination, overflow, no healthy host,
 * timeout, and the end of the stream by the upstream's maximum duration. Source: Envoy's access log documentation.
 */
const failureFlags: ReadonlySet<string> = new Set(['UF', 'UC', 'UO', 'UH', 'UT', 'UMSDR']);

/** gRPC's UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS: the server's part of its statuses. */
const grpcFailures: ReadonlySet<string> = new Set(['2', '4', '13', '14', '15']);

export function readRequestLabels(labels: readonly Label[]): RequestLabels {
  const values = new Map(labels.map(({ name, value }) => [name, value]));
  const read = (name: string): string => values.get(name) ?? '';
  const flags = read('response_flags').split(',');
  const code = Number(read('response_code'));
  return {
    host: read('destination_service'),
    version: read('destination_version'),
    reporter: read('reporter'),
    sourceWorkload: read('source_workload'),
    outcome: outcomeOf({ code, flags, grpcStatus: read('grpc_response_status') }),
  };
}

interface Response {
  readonly code: number;
  readonly flags: readonly string[];
  readonly grpcStatus: string;
}

function outcomeOf({ code, flags, grpcStatus }: Response): RequestOutcome {
  if (flags.includes('DC')) return 'excluded';
  if (code >= 500 || grpcFailures.has(grpcStatus) || flags.some((flag) => failureFlags.has(flag))) return 'failed';
  return code > 0 ? 'succeeded' : 'excluded';
}
