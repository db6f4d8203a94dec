/** What a DestinationRule's outlierDetection means for a cluster, as Istio translates it. */
import type { OutlierDetection as OutlierDetectionSettings } from '../../crds/traffic-policy.ts';
import type { OutlierRates } from '../../crds/outlier-rates.ts';
import type { Cluster, OutlierDetection } from '../../proxy/api/envoy.gen.ts';
import { protoDurationOf } from './proto-duration.ts';

export function buildOutlierDetection(
  settings: OutlierDetectionSettings | undefined,
  rates: OutlierRates | undefined,
): Pick<Cluster, 'outlier_detection'> {
  if (settings === undefined) return {};
  return {
    outlier_detection: {
      ...buildRates(rates, settings),
      ...buildConsecutiveRules(settings),
      ...buildLocalOriginRules(settings),
      ...buildEjection(settings),
    },
  };
}

/**
 * Istio switches success rates off, which Envoy would enforce by default, and has nothing else that would find a host
 * that fails every other request (semantics D6). Heddle has Envoy look at the share of failures (B11).
 */
function buildRates(
  rates: OutlierRates | undefined,
  { splitExternalLocalOriginErrors: isSplit }: OutlierDetectionSettings,
): OutlierDetection {
  const { failure, success } = rates ?? {};
  return {
    ...enforceRate(success === undefined ? 0 : 100, 'success', isSplit === true),
    ...(success === undefined
      ? {}
      : {
          success_rate_stdev_factor: success.stdevFactor,
          success_rate_minimum_hosts: success.minimumHosts,
          success_rate_request_volume: success.requestVolume,
        }),
    ...(failure === undefined
      ? {}
      : {
          ...enforceRate(100, 'failure', isSplit === true),
          failure_percentage_threshold: failure.percent,
          failure_percentage_minimum_hosts: failure.minimumHosts,
          failure_percentage_request_volume: failure.requestVolume,
        }),
  };
}

function enforceRate(percent: number, rate: 'success' | 'failure', isSplit: boolean): OutlierDetection {
  if (rate === 'success') {
    return { enforcing_success_rate: percent, ...(isSplit ? { enforcing_local_origin_success_rate: percent } : {}) };
  }
  return {
    enforcing_failure_percentage: percent,
    ...(isSplit ? { enforcing_failure_percentage_local_origin: percent } : {}),
  };
}

/** Zero switches a rule off; one that is not set stays at Envoy's default. */
function buildConsecutiveRules(settings: OutlierDetectionSettings): OutlierDetection {
  const { consecutive5xxErrors, consecutiveGatewayErrors } = settings;
  return {
    ...(consecutive5xxErrors === undefined
      ? {}
      : { consecutive_5xx: consecutive5xxErrors, enforcing_consecutive_5xx: enforcing(consecutive5xxErrors) }),
    ...(consecutiveGatewayErrors === undefined
      ? {}
      : {
          consecutive_gateway_failure: consecutiveGatewayErrors,
          enforcing_consecutive_gateway_failure: enforcing(consecutiveGatewayErrors),
        }),
  };
}

function enforcing(threshold: number): number {
  return threshold > 0 ? 100 : 0;
}

function buildLocalOriginRules(settings: OutlierDetectionSettings): OutlierDetection {
  if (settings.splitExternalLocalOriginErrors !== true) return {};
  const failures = settings.consecutiveLocalOriginFailures ?? 0;
  return {
    split_external_local_origin_errors: true,
    ...(failures === 0
      ? {}
      : { consecutive_local_origin_failure: failures, enforcing_consecutive_local_origin_failure: 100 }),
  };
}

function buildEjection({
  interval,
  baseEjectionTime,
  maxEjectionPercent = 0,
}: OutlierDetectionSettings): OutlierDetection {
  return {
    ...(interval === undefined ? {} : { interval: protoDurationOf(interval) }),
    ...(baseEjectionTime === undefined ? {} : { base_ejection_time: protoDurationOf(baseEjectionTime) }),
    ...(maxEjectionPercent === 0 ? {} : { max_ejection_percent: maxEjectionPercent }),
  };
}
