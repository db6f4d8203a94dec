import { parsePrometheusText, sumSamples } from './prometheus-text.ts';

/** Requests with these labels, according to a Prometheus page. */
export function sumRequests(page: string, labels: Readonly<Record<string, string>>): number {
  return sumSamples(parsePrometheusText(page), 'istio_requests_total', labels);
}
