/** Envoy's statistics of outlier detection: `cluster.NAME.outlier_detection.…`. */
import type { Stat, StatsStore } from '../../common/stats.ts';
import type { OutlierKind } from './outlier-detector.ts';

type StatPerKind = Readonly<Record<OutlierKind, Stat>>;

export class OutlierStats {
  /** Hosts that are out now, or on probation. */
  readonly active: Stat;
  /** Outliers that were not ejected because too many hosts are out. */
  readonly overflow: Stat;
  readonly enforcedTotal: Stat;
  readonly detected: StatPerKind;
  readonly enforced: StatPerKind;

  constructor(stats: StatsStore, clusterName: string) {
    const prefix = `cluster.${clusterName}.outlier_detection.ejections_`;
    this.active = stats.gauge(`${prefix}active`);
    this.overflow = stats.counter(`${prefix}overflow`);
    this.enforcedTotal = stats.counter(`${prefix}enforced_total`);
    this.detected = perKind((kind) => stats.counter(`${prefix}detected_${kind}`));
    this.enforced = perKind((kind) => stats.counter(`${prefix}enforced_${kind}`));
  }

  get all(): Stat[] {
    return [
      this.active,
      this.overflow,
      this.enforcedTotal,
      ...Object.values(this.detected),
      ...Object.values(this.enforced),
    ];
  }
}

function perKind(create: (kind: OutlierKind) => Stat): StatPerKind {
  return {
    consecutive_5xx: create('consecutive_5xx'),
    consecutive_gateway_failure: create('consecutive_gateway_failure'),
    consecutive_local_origin_failure: create('consecutive_local_origin_failure'),
    success_rate: create('success_rate'),
    local_origin_success_rate: create('local_origin_success_rate'),
    failure_percentage: create('failure_percentage'),
    local_origin_failure_percentage: create('local_origin_failure_percentage'),
  };
}
