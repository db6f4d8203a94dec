/** What a DestinationRule's outlierDetection means for a cluster, as Istio translates it. */
import type { OutlierDetection as OutlierDetectionSettings } from '../../crds/traffic-policy.ts';
import type { Cluster, OutlierDetection } from '../../proxy/api/envoy.gen.ts';
import { protoDurationOf } from './proto-duration.ts';

export function buildOutlierDetection(
  settings: OutlierDetectionSettings | undefined,
): Pick<Cluster, 'outlier_detection'> {
  if (settings === undefined) return {};
  return {
    outlier_detection: {
      // Istio offers no success rates (semantics D6), which Envoy would enforce by default.
      enforcing_success_rate: 0,
      ...buildConsecutiveRules(settings),
      ...buildLocalOriginRules(settings),
      ...buildEjection(settings),
    },
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
    enforcing_local_origin_success_rate: 0,
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
