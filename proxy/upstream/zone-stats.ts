/** Envoy's statistics of zone aware routing, under Envoy's names; a cluster that does not do it has none. */
import type { Stat, StatsStore } from '../common/stats.ts';

export class ZoneStats {
  /** Times that it was found out where requests go. */
  readonly recalculated: Stat;
  /** Times that it was not possible: nobody of the own service is known in the own locality, or too few are healthy. */
  readonly localClusterNotOk: Stat;
  readonly clusterTooSmall: Stat;
  /** Requests: none has to leave, this one may stay, this one has to leave. */
  readonly allDirectly: Stat;
  readonly sampled: Stat;
  readonly crossZone: Stat;
  /** Requests that had to leave for where rounding has left no room. */
  readonly noCapacityLeft: Stat;
  readonly all: readonly Stat[];

  constructor(stats: StatsStore, clusterName: string) {
    const all: Stat[] = [];
    const counter = (name: string): Stat => {
      const stat = stats.counter(`cluster.${clusterName}.${name}`);
      all.push(stat);
      return stat;
    };
    this.recalculated = counter('lb_recalculate_zone_structures');
    this.localClusterNotOk = counter('lb_local_cluster_not_ok');
    this.clusterTooSmall = counter('lb_zone_cluster_too_small');
    this.allDirectly = counter('lb_zone_routing_all_directly');
    this.sampled = counter('lb_zone_routing_sampled');
    this.crossZone = counter('lb_zone_routing_cross_zone');
    this.noCapacityLeft = counter('lb_zone_no_capacity_left');
    this.all = all;
  }
}
