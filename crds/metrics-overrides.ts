/** What a Telemetry changes of metrics, as far as it is in force: labels of all metrics or of one, and metrics as a whole. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { childPath, show } from './findings.ts';
import type { MetricsOverride, TelemetryMetrics } from './telemetry.ts';

/** Istio's names of metrics. Those of messages of gRPC are counted by nobody here. */
export const exportedMetrics: Readonly<Record<string, string>> = {
  REQUEST_COUNT: 'istio_requests_total',
  REQUEST_DURATION: 'istio_request_duration_milliseconds',
  REQUEST_SIZE: 'istio_request_bytes',
  RESPONSE_SIZE: 'istio_response_bytes',
  TCP_OPENED_CONNECTIONS: 'istio_tcp_connections_opened_total',
  TCP_CLOSED_CONNECTIONS: 'istio_tcp_connections_closed_total',
  TCP_SENT_BYTES: 'istio_tcp_sent_bytes_total',
  TCP_RECEIVED_BYTES: 'istio_tcp_received_bytes_total',
};

const notYet = 'is not supported yet';

/** Every part of an entry of `metrics` that would be ignored. */
export function unsupportedMetrics(value: unknown, path: string): FieldError[] {
  const { providers = [], overrides = [], reportingInterval } = value as TelemetryMetrics;
  const errors = overrides.flatMap((override, i) => unsupportedOverride(override, `${path}.overrides[${i}]`));
  if (reportingInterval !== undefined) errors.push({ path: `${path}.reportingInterval`, message: notYet });
  for (const [i, { name }] of providers.entries()) {
    if (name !== 'prometheus') {
      errors.push({ path: `${path}.providers[${i}].name`, message: `${show(name)} ${notYet}, only "prometheus"` });
    }
  }
  return errors;
}

function unsupportedOverride({ match = {}, tagOverrides = {} }: MetricsOverride, path: string): FieldError[] {
  const { metric = 'ALL_METRICS', customMetric } = match;
  const errors: FieldError[] = [];
  if (customMetric !== undefined) errors.push({ path: `${path}.match.customMetric`, message: notYet });
  if (metric !== 'ALL_METRICS' && exportedMetrics[metric] === undefined) {
    errors.push({ path: `${path}.match.metric`, message: `${show(metric)} ${notYet}` });
  }
  for (const [label, { operation = 'UPSERT', value = '' }] of Object.entries(tagOverrides)) {
    const at = childPath(`${path}.tagOverrides`, label);
    if (label === 'reporter')
      errors.push({ path: at, message: `${notYet}: it tells the two sides of a request apart` });
    if (operation === 'UPSERT' && literalOf(value) === undefined) {
      errors.push({ path: `${at}.value`, message: `${show(value)} ${notYet}, only a text in quotes` });
    }
  }
  return errors;
}

/** The text of a CEL literal; undefined for any other expression. */
export function literalOf(expression: string): string | undefined {
  const [, double, single] = /^(?:"([^"\\]*)"|'([^'\\]*)')$/.exec(expression) ?? [];
  return double ?? single;
}
