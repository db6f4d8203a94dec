import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../../proxy/api/cluster-decoder.ts';
import { decodeClusterLoadAssignment } from '../../../../proxy/api/endpoint-decoder.ts';
import type { Cluster, HealthCheck } from '../../../../proxy/api/envoy.gen.ts';
import { requireValue } from '../../../../proxy/common/decoded.ts';
import { StatsStore } from '../../../../proxy/common/stats.ts';
import { TimerWheel } from '../../../../proxy/common/timer-wheel.ts';
import { UpstreamCluster } from '../../../../proxy/upstream/cluster.ts';
import type { CheckResult } from '../../../../proxy/upstream/health-check/prober.ts';
import { edsCluster, type EndpointJson, loadAssignment } from '../../../support/envoy-json.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

/** A cluster whose hosts, known by their ports, answer checks as the test says. */
class Checked {
  readonly clock = new ManualClock();
  readonly stats = new StatsStore();
  readonly cluster: UpstreamCluster;
  /** `silent`: no answer ever comes. */
  readonly results = new Map<number, CheckResult | 'silent'>();
  /** Port and time of each check. */
  readonly checks: [number, number][] = [];
  aborted = 0;

  constructor(check: HealthCheck = {}, rest: Cluster = {}) {
    const json = edsCluster('c', {
      health_checks: [
        { timeout: '1s', interval: '5s', unhealthy_threshold: 2, healthy_threshold: 2, tcp_health_check: {}, ...check },
      ],
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
      ...rest,
    });
    const { clock, stats } = this;
    this.cluster = new UpstreamCluster(requireValue(decodeCluster(json), 'cluster'), {
      clock,
      timers: new TimerWheel(clock),
      random: seededRandom(1),
      stats,
      createProber: () => ({
        check: ({ port }, onResult) => {
          this.checks.push([port, clock.monotonicMs()]);
          const result = this.results.get(port) ?? 'success';
          if (result !== 'silent') onResult(result);
        },
        abort: () => (this.aborted += 1),
      }),
    });
    // As if there had been traffic.
    this.cluster.stats.connections.value = 1;
  }

  setEndpoints(...endpoints: EndpointJson[]): void {
    this.cluster.updateAssignment(requireValue(decodeClusterLoadAssignment(loadAssignment('c', endpoints)), 'eds'));
  }

  /** Ports of the hosts that take requests. */
  get available(): number[] {
    return this.cluster.hosts
      .filter(({ isAvailable }) => isAvailable)
      .map(({ endpoint }) => endpoint.port)
      .sort((a, b) => a - b);
  }

  get times(): number[] {
    return this.checks.map(([, atMs]) => atMs);
  }

  stat(name: string): number | undefined {
    return this.stats.entries().find((stat) => stat.name === `cluster.c.health_check.${name}`)?.value;
  }
}

describe('the first result', () => {
  test('decides alone, whatever the thresholds say', () => {
    const checked = new Checked();
    checked.results.set(2, 'network');
    checked.setEndpoints(1, 2);
    checked.clock.advance(0);
    expect(checked.available).toEqual([1]);
    expect([
      checked.stat('healthy'),
      checked.stat('attempt'),
      checked.stat('success'),
      checked.stat('failure'),
    ]).toEqual([1, 2, 1, 1]);
  });

  test('is not waited for by the hosts that a cluster starts with, but by those that come later', () => {
    const checked = new Checked();
    checked.results.set(1, 'silent').set(2, 'silent');
    checked.setEndpoints(1);
    expect(checked.available).toEqual([1]);
    checked.setEndpoints(1, 2);
    checked.clock.advance(0);
    expect(checked.available).toEqual([1]);
    checked.results.set(2, 'success');
    checked.clock.advance(1_000 + 5_000);
    expect(checked.available, 'the silence of both was a failure').toEqual([]);
  });
});

describe('a healthy host', () => {
  test('becomes unhealthy by as many network failures in a row as the threshold says', () => {
    const checked = new Checked();
    checked.setEndpoints(1);
    checked.clock.advance(0);
    checked.results.set(1, 'network');
    checked.clock.advance(5_000);
    checked.results.set(1, 'success');
    checked.clock.advance(5_000);
    checked.results.set(1, 'retriable');
    checked.clock.advance(5_000);
    expect(checked.available).toEqual([1]);
    checked.clock.advance(5_000);
    expect(checked.available).toEqual([]);
    expect([checked.stat('network_failure'), checked.stat('failure')]).toEqual([1, 3]);
  });

  test('becomes unhealthy at once by a wrong answer', () => {
    const checked = new Checked();
    checked.setEndpoints(1);
    checked.clock.advance(0);
    checked.results.set(1, 'failure');
    checked.clock.advance(5_000);
    expect(checked.available).toEqual([]);
  });

  test('that does not answer in time has failed, and the check is given up', () => {
    const checked = new Checked({ unhealthy_threshold: 1 });
    checked.setEndpoints(1);
    checked.clock.advance(0);
    checked.results.set(1, 'silent');
    checked.clock.advance(5_999);
    expect(checked.available).toEqual([1]);
    checked.clock.advance(1);
    expect(checked.available).toEqual([]);
    expect(checked.aborted).toBe(1);
  });

  test('leaves only when a check fails after the control plane has taken it away', () => {
    const checked = new Checked();
    checked.setEndpoints(1, 2);
    checked.clock.advance(0);
    checked.setEndpoints(2);
    expect(checked.available).toEqual([1, 2]);
    checked.results.set(1, 'failure');
    checked.clock.advance(5_000);
    expect(checked.cluster.hosts.map(({ endpoint }) => endpoint.port)).toEqual([2]);
    const { length } = checked.checks.filter(([port]) => port === 1);
    checked.clock.advance(20_000);
    expect(checked.checks.filter(([port]) => port === 1)).toHaveLength(length);
  });

  test('leaves at once when health is to be ignored on removal, or when it comes back it stays', () => {
    const ignoring = new Checked({}, { ignore_health_on_host_removal: true });
    ignoring.setEndpoints(1, 2);
    ignoring.clock.advance(0);
    ignoring.setEndpoints(2);
    expect(ignoring.available).toEqual([2]);
    const checked = new Checked();
    checked.setEndpoints(1, 2);
    checked.clock.advance(0);
    checked.setEndpoints(2);
    checked.setEndpoints(1, 2);
    checked.results.set(1, 'failure');
    checked.clock.advance(5_000);
    expect(checked.cluster.hosts).toHaveLength(2);
  });
});

test('an unhealthy host needs as many successes in a row as the threshold says', () => {
  const checked = new Checked();
  checked.results.set(1, 'failure');
  checked.setEndpoints(1);
  checked.clock.advance(0);
  checked.results.set(1, 'success');
  checked.clock.advance(5_000);
  expect(checked.available).toEqual([]);
  checked.results.set(1, 'network');
  checked.clock.advance(5_000);
  checked.results.set(1, 'success');
  checked.clock.advance(5_000);
  expect(checked.available).toEqual([]);
  checked.clock.advance(5_000);
  expect(checked.available).toEqual([1]);
});

describe('the time between two checks', () => {
  const intervals = {
    interval: '5s',
    unhealthy_interval: '3s',
    unhealthy_edge_interval: '1s',
    healthy_edge_interval: '2s',
  };

  test('is another while a host changes its state', () => {
    const checked = new Checked(intervals);
    checked.setEndpoints(1);
    checked.clock.advance(0);
    checked.results.set(1, 'network');
    checked.clock.advance(5_000 + 1_000 + 3_000);
    checked.results.set(1, 'success');
    checked.clock.advance(3_000 + 2_000 + 5_000);
    expect(checked.times).toEqual([0, 5_000, 6_000, 9_000, 12_000, 14_000, 19_000]);
  });

  test('is long as long as the cluster never had a connection', () => {
    const checked = new Checked({ no_traffic_interval: '10s', no_traffic_healthy_interval: '20s' });
    checked.cluster.stats.connections.value = 0;
    checked.results.set(1, 'network');
    checked.setEndpoints(1);
    checked.clock.advance(10_000);
    checked.results.set(1, 'success');
    checked.clock.advance(30_000);
    expect(checked.times).toEqual([0, 10_000, 20_000, 40_000]);
  });

  test('has jitter, and so has the time of the first check', () => {
    const checked = new Checked({ initial_jitter: '1s', interval_jitter: '1s', interval_jitter_percent: 20 });
    checked.setEndpoints(1, 2, 3);
    checked.clock.advance(7_999);
    const first = checked.checks.slice(0, 3).map(([, atMs]) => atMs);
    const second = checked.checks
      .slice(3, 6)
      .map(([port, atMs]) => atMs - (checked.checks.find(([p]) => p === port)?.[1] ?? 0));
    expect(new Set(first).size).toBe(3);
    for (const ms of first) expect(ms).toBeLessThan(1_000);
    expect(new Set(second).size).toBe(3);
    for (const ms of second) {
      expect(ms).toBeGreaterThanOrEqual(5_000);
      expect(ms).toBeLessThan(7_000);
    }
  });
});

test('an endpoint without checks is healthy, and is not asked', () => {
  const checked = new Checked();
  const address = { socket_address: { address: '127.0.0.1', port_value: 1 } };
  checked.setEndpoints({ port: 1, endpoint: { address, health_check_config: { disable_active_health_check: true } } });
  checked.clock.advance(60_000);
  expect(checked.checks).toEqual([]);
  expect(checked.available).toEqual([1]);
});

test.each([
  [true, [1]],
  [false, []],
])('a success ends an ejection of outlier detection: %s', (isEnding, expected) => {
  const checked = new Checked(
    {},
    {
      outlier_detection: {
        consecutive_5xx: 1,
        max_ejection_percent: 100,
        successful_active_health_check_uneject_host: isEnding,
      },
    },
  );
  checked.setEndpoints(1);
  checked.clock.advance(0);
  checked.cluster.hosts[0]?.recordResult(500);
  expect(checked.available).toEqual([]);
  checked.clock.advance(5_000);
  expect(checked.available).toEqual(expected);
});

test('a closed cluster asks nobody and counts nobody', () => {
  const checked = new Checked();
  checked.setEndpoints(1, 2);
  checked.clock.advance(0);
  checked.cluster.close();
  checked.clock.advance(60_000);
  expect(checked.checks).toHaveLength(2);
  expect(checked.stat('healthy')).toBe(0);
  expect(checked.clock.pendingTimers).toBe(0);
});
