/** What a DestinationRule's annotation `heddle.dev/health-check` means for a cluster. */
import type { HealthCheckSettings } from '../../crds/health-check.ts';
import type { Cluster, HealthCheck } from '../../proxy/api/envoy.gen.ts';
import { formatProtoDuration } from '../../proxy/common/duration.ts';

/** So that the sidecars of a mesh do not all ask at the same time. */
const jitterPercent = 10;

/**
 * Checks are as frequent without traffic as with it: a host that recovered should not wait for a request that nobody
 * can send. A workload that has left is not kept because it still answers: it is about to end.
 */
export function buildHealthCheck(
  settings: HealthCheckSettings | undefined,
  hostname: string,
): Pick<Cluster, 'health_checks' | 'ignore_health_on_host_removal'> {
  if (settings === undefined) return {};
  const interval = formatProtoDuration(settings.intervalMs);
  const check: HealthCheck = {
    timeout: formatProtoDuration(settings.timeoutMs),
    interval,
    no_traffic_interval: interval,
    interval_jitter_percent: jitterPercent,
    unhealthy_threshold: settings.unhealthyThreshold,
    healthy_threshold: settings.healthyThreshold,
    ...buildProbe(settings.probe, hostname),
  };
  return { health_checks: [check], ignore_health_on_host_removal: true };
}

/** Envoy's ranges end before their end. */
function buildProbe(
  probe: HealthCheckSettings['probe'],
  hostname: string,
): Pick<HealthCheck, 'http_health_check' | 'tcp_health_check'> {
  if (probe.kind === 'tcp') return { tcp_health_check: {} };
  const { path, method, host = hostname, statuses } = probe;
  const expected_statuses = statuses.map(({ from, to }) => ({ start: from, end: to + 1 }));
  return { http_health_check: { host, path, method, expected_statuses } };
}
