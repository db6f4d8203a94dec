/** What the mixer counted for the consumer service, read from its Prometheus page. */
import { request } from 'undici';
import type { Split } from './release.ts';

/** Successful requests by version, as the order service's sidecar reported them. */
export async function readMixerTotals(metricsUrl: string): Promise<Pick<Split, 'v1' | 'v2'>> {
  const { body } = await request(metricsUrl, { headersTimeout: 5000, bodyTimeout: 5000 });
  const totals = { v1: 0, v2: 0 };
  for (const line of (await body.text()).split('\n')) {
    const version = readVersion(line);
    if (version !== undefined) totals[version] += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return totals;
}

function readVersion(line: string): 'v1' | 'v2' | undefined {
  if (!line.startsWith('istio_requests_total{')) return undefined;
  const label = (name: string): string | undefined => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1];
  const isOurs =
    label('reporter') === 'source' &&
    label('destination_service_name') === 'ftgo-consumer-service' &&
    label('response_code') === '200';
  const version = label('destination_version');
  return isOurs && (version === 'v1' || version === 'v2') ? version : undefined;
}
