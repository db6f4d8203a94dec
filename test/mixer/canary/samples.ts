/** Reports of sidecars about one host, in the labels of Istio's metrics. */
import { standardUpperBounds } from '../../../proxy/api/standard-metrics.ts';
import type { Label } from '../../../proxy/common/exposition.ts';
import type { Sample } from '../../../mixer/telemetry/sample.ts';

export const host = 'reviews.default.svc.cluster.local';

export interface ReportedSeries {
  readonly version: string;
  readonly reporter?: string;
  readonly source?: string;
  readonly code?: string;
  readonly flags?: string;
  readonly grpc?: string;
  readonly host?: string;
}

/** The array of labels that a stream's decoder keeps for a series. */
export function series(given: ReportedSeries): readonly Label[] {
  const { version, reporter = 'source', source = 'web', code = '200', flags = '-', grpc = '' } = given;
  return Object.entries({
    reporter,
    source_workload: source,
    destination_service: given.host ?? host,
    destination_version: version,
    response_code: code,
    response_flags: flags,
    grpc_response_status: grpc,
  }).map(([name, value]) => ({ name, value }));
}

export function requests(labels: readonly Label[], value: number, createdMs: number): Sample {
  return { name: 'istio_requests_total', help: '', labels, createdMs, values: [value] };
}

/** `ms`: one observation each. */
export function durations(labels: readonly Label[], ms: readonly number[], createdMs: number): Sample {
  const buckets = standardUpperBounds.map((bound) => ms.filter((value) => value <= bound).length);
  const values = [...buckets, ms.length, ms.reduce((sum, value) => sum + value, 0)];
  return { name: 'istio_request_duration_milliseconds', help: '', labels, createdMs, values };
}
