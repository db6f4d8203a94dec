/** Decodes `envoy.config.cluster.v3.OutlierDetection`. */
import type { OutlierDetection as OutlierDetectionJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { FailurePercentageRule, OutlierDetection, SuccessRateRule } from './outlier-detection.ts';

type OutlierFields = Fields<OutlierDetectionJson>;

export function readOutlierDetection(fields: OutlierFields): Omit<OutlierDetection, 'errorStatuses'> {
  const baseEjectionTimeMs = readPositiveDuration(fields, 'base_ejection_time', 30_000);
  return {
    consecutive5xx: {
      threshold: fields.number('consecutive_5xx', { defaultValue: 5 }),
      enforcingPercent: readPercent(fields, 'enforcing_consecutive_5xx', 100),
    },
    consecutiveGatewayFailure: {
      threshold: fields.number('consecutive_gateway_failure', { defaultValue: 5 }),
      enforcingPercent: readPercent(fields, 'enforcing_consecutive_gateway_failure', 0),
    },
    consecutiveLocalOriginFailure: {
      threshold: fields.number('consecutive_local_origin_failure', { defaultValue: 5 }),
      enforcingPercent: readPercent(fields, 'enforcing_consecutive_local_origin_failure', 100),
    },
    successRate: readSuccessRate(fields),
    failurePercentage: readFailurePercentage(fields),
    isLocalOriginSplit: fields.flag('split_external_local_origin_errors'),
    intervalMs: readPositiveDuration(fields, 'interval', 10_000),
    baseEjectionTimeMs,
    maxEjectionTimeMs: readPositiveDuration(fields, 'max_ejection_time', Math.max(300_000, baseEjectionTimeMs)),
    maxEjectionTimeJitterMs: fields.durationMs('max_ejection_time_jitter', 0),
    maxEjectionPercent: readPercent(fields, 'max_ejection_percent', 10),
    isUnejectedByHealthCheck: fields.flag('successful_active_health_check_uneject_host', true),
    isOneEjectionAllowed: fields.flag('always_eject_one_host'),
  };
}

function readSuccessRate(fields: OutlierFields): SuccessRateRule {
  return {
    minimumHosts: fields.number('success_rate_minimum_hosts', { defaultValue: 5 }),
    requestVolume: fields.number('success_rate_request_volume', { defaultValue: 100 }),
    // Envoy's field is in thousandths.
    stdevFactor: fields.number('success_rate_stdev_factor', { defaultValue: 1900 }) / 1000,
    enforcingPercent: readPercent(fields, 'enforcing_success_rate', 100),
    enforcingLocalOriginPercent: readPercent(fields, 'enforcing_local_origin_success_rate', 100),
  };
}

function readFailurePercentage(fields: OutlierFields): FailurePercentageRule {
  return {
    minimumHosts: fields.number('failure_percentage_minimum_hosts', { defaultValue: 5 }),
    requestVolume: fields.number('failure_percentage_request_volume', { defaultValue: 50 }),
    thresholdPercent: readPercent(fields, 'failure_percentage_threshold', 85),
    enforcingPercent: readPercent(fields, 'enforcing_failure_percentage', 0),
    enforcingLocalOriginPercent: readPercent(fields, 'enforcing_failure_percentage_local_origin', 0),
  };
}

type PercentKey =
  | Extract<keyof OutlierDetectionJson, `enforcing_${string}`>
  | 'max_ejection_percent'
  | 'failure_percentage_threshold';

function readPercent(fields: OutlierFields, key: PercentKey, defaultValue: number): number {
  return fields.number(key, { defaultValue, max: 100 });
}

type DurationKey = 'interval' | 'base_ejection_time' | 'max_ejection_time';

function readPositiveDuration(fields: OutlierFields, key: DurationKey, defaultMs: number): number {
  const ms = fields.durationMs(key, defaultMs);
  if (ms === 0) fields.fail(key, 'must be more than 0s');
  return ms;
}
