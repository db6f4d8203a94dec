/** A cluster of hosts on addresses that nobody connects to, for what can be decided without sockets. */
import { decodeClusterLoadAssignment } from '../../../proxy/api/endpoint-decoder.ts';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type { LbPolicy } from '../../../proxy/api/cluster.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { TimerWheel } from '../../../proxy/common/timer-wheel.ts';
import { UpstreamCluster } from '../../../proxy/upstream/cluster.ts';
import { edsCluster, type EndpointJson, loadAssignment } from '../../support/envoy-json.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';

export class HostedCluster {
  readonly cluster: UpstreamCluster;

  constructor(lbPolicy: LbPolicy, endpoints: readonly EndpointJson[] = [], seed = 1) {
    const clock = new ManualClock();
    const context = { clock, timers: new TimerWheel(clock), random: seededRandom(seed), stats: new StatsStore() };
    const config = requireValue(decodeCluster(edsCluster('cluster', { lb_policy: lbPolicy })), 'cluster');
    this.cluster = new UpstreamCluster(config, context);
    this.setEndpoints(endpoints);
  }

  setEndpoints(endpoints: readonly EndpointJson[]): void {
    this.cluster.updateAssignment(
      requireValue(decodeClusterLoadAssignment(loadAssignment('cluster', endpoints)), 'eds'),
    );
  }

  /** The port of the host that one request goes to. */
  pick(): number | undefined {
    return this.cluster.pick()?.endpoint.port;
  }

  /** How often each port is picked in `times` picks. */
  count(times: number): Record<number, number> {
    const counts: Record<number, number> = {};
    for (let i = 0; i < times; i++) {
      const port = this.pick() ?? 0;
      counts[port] = (counts[port] ?? 0) + 1;
    }
    return counts;
  }
}
