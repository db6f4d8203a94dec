import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../../proxy/api/cluster-decoder.ts';
import type { OutlierDetection } from '../../../../proxy/api/envoy.gen.ts';
import { requireValue } from '../../../../proxy/common/decoded.ts';
import { MeshError } from '../../../../proxy/common/errors.ts';
import { StatsStore } from '../../../../proxy/common/stats.ts';
import { TimerWheel } from '../../../../proxy/common/timer-wheel.ts';
import { UpstreamCluster } from '../../../../proxy/upstream/cluster.ts';
import type { Host } from '../../../../proxy/upstream/host.ts';
import { staticCluster } from '../../../support/envoy-json.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const connectFailure = new MeshError('connect_failure', 'nobody listens');
/** Nobody asks for a connection here. */
const request = { onPoolReady: () => {}, onPoolFailure: () => {} };

class Watched {
  readonly clock = new ManualClock();
  readonly #stats = new StatsStore();
  readonly cluster: UpstreamCluster;

  constructor(hostCount: number, outlier_detection: OutlierDetection) {
    const ports = Array.from({ length: hostCount }, (_, i) => i + 1);
    const json = staticCluster('c', ports, {
      outlier_detection,
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
      // An attempt waits in the queue and opens no connection that a test would have to close.
      circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] },
    });
    this.cluster = new UpstreamCluster(requireValue(decodeCluster(json), 'cluster'), {
      clock: this.clock,
      timers: new TimerWheel(this.clock),
      random: seededRandom(3),
      stats: this.#stats,
    });
  }

  host(index: number): Host {
    const host = this.cluster.hosts[index];
    if (host === undefined) throw new Error(`there is no host ${index}`);
    return host;
  }

  /** One whole attempt at a host. */
  attempt(index: number, ...results: (number | MeshError)[]): void {
    for (const result of results) {
      const host = this.host(index);
      host.newStream(request, this.clock.monotonicMs(), true);
      host.recordResult(result);
      host.endStream(request, undefined);
    }
  }

  /** Indexes of the hosts that are out of rotation. */
  get ejected(): number[] {
    return this.cluster.hosts.flatMap(({ isEjected }, i) => (isEjected ? [i] : []));
  }

  stat(name: string): number | undefined {
    return this.#stats.entries().find((stat) => stat.name === `cluster.c.outlier_detection.ejections_${name}`)?.value;
  }
}

const lenient: OutlierDetection = { max_ejection_percent: 100, interval: '1s', base_ejection_time: '5s' };
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe('consecutive failures', () => {
  test('five 5xx in a row eject a host; a success in between begins the count anew', () => {
    const watched = new Watched(3, lenient);
    watched.attempt(0, ...times(4, 500), 200, ...times(4, 500));
    expect(watched.ejected).toEqual([]);
    watched.attempt(0, 500);
    expect(watched.ejected).toEqual([0]);
    expect(watched.stat('detected_consecutive_5xx')).toBe(1);
    expect(watched.stat('enforced_consecutive_5xx')).toBe(1);
    expect(watched.stat('enforced_total')).toBe(1);
    expect(watched.stat('active')).toBe(1);
    expect(watched.cluster.stats.membershipHealthy.value).toBe(2);
    for (let i = 0; i < 20; i++) expect(watched.cluster.pick()).not.toBe(watched.host(0));
  });

  test('gateway failures are only detected until they are enforced, and a 500 is none', () => {
    const config = { ...lenient, consecutive_5xx: 0, consecutive_gateway_failure: 3 };
    const watched = new Watched(2, config);
    watched.attempt(0, 502, 503, 504);
    expect(watched.stat('detected_consecutive_gateway_failure')).toBe(1);
    expect(watched.ejected).toEqual([]);
    const enforcing = new Watched(2, { ...config, enforcing_consecutive_gateway_failure: 100 });
    enforcing.attempt(0, 502, 503, 500, 502, 503);
    expect(enforcing.ejected).toEqual([]);
    enforcing.attempt(0, 504);
    expect(enforcing.ejected).toEqual([0]);
  });

  test('failures to reach a host count as 5xx, or apart from them when they are split', () => {
    const together = new Watched(2, { ...lenient, consecutive_5xx: 2 });
    together.attempt(0, 500, connectFailure);
    expect(together.ejected).toEqual([0]);
    const split = new Watched(2, {
      ...lenient,
      consecutive_5xx: 2,
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 2,
    });
    split.attempt(0, 500, connectFailure, 500);
    expect(split.ejected).toEqual([0]);
    split.attempt(1, 500, connectFailure, connectFailure);
    expect(split.stat('enforced_consecutive_local_origin_failure')).toBe(1);
    expect(split.ejected).toEqual([0, 1]);
  });

  test('what the circuit breaker refused says nothing about a host', () => {
    const watched = new Watched(1, { ...lenient, consecutive_5xx: 1 });
    watched.attempt(0, new MeshError('overflow', 'too many'));
    expect(watched.ejected).toEqual([]);
  });

  test('no more hosts are ejected than max_ejection_percent allows', () => {
    const watched = new Watched(4, { ...lenient, consecutive_5xx: 1, max_ejection_percent: 50 });
    for (const index of [0, 1, 2, 3]) watched.attempt(index, 500);
    expect(watched.ejected).toEqual([0, 1]);
    expect(watched.stat('overflow')).toBe(2);
    const small = new Watched(3, { consecutive_5xx: 1 });
    small.attempt(0, 500);
    expect(small.ejected).toEqual([]);
    const one = new Watched(3, { consecutive_5xx: 1, always_eject_one_host: true });
    for (const index of [0, 1]) one.attempt(index, 500);
    expect(one.ejected).toEqual([0]);
  });

  test('about so many of 100 outliers are ejected as enforcing says', () => {
    const watched = new Watched(1_000, { ...lenient, consecutive_5xx: 1, enforcing_consecutive_5xx: 30 });
    for (let i = 0; i < 200; i++) watched.attempt(i, 500);
    const ejected = watched.ejected.length;
    expect(watched.stat('detected_consecutive_5xx')).toBe(200);
    expect(ejected).toBeGreaterThan(40);
    expect(ejected).toBeLessThan(80);
  });
});

describe('rates, once per interval', () => {
  test('a host whose success rate is far below the others is ejected', () => {
    const watched = new Watched(6, { ...lenient, consecutive_5xx: 0 });
    for (let i = 0; i < 100; i++) {
      for (let index = 0; index < 5; index++) watched.attempt(index, 200);
      watched.attempt(5, i % 2 === 0 ? 500 : 200);
    }
    expect(watched.ejected).toEqual([]);
    watched.clock.advance(1_000);
    expect(watched.ejected).toEqual([5]);
    expect(watched.stat('enforced_success_rate')).toBe(1);
  });

  test('failure percentages eject when they are enforced; each interval counts anew', () => {
    const watched = new Watched(5, {
      ...lenient,
      consecutive_5xx: 0,
      enforcing_success_rate: 0,
      failure_percentage_threshold: 50,
      enforcing_failure_percentage: 100,
    });
    for (let index = 0; index < 5; index++) watched.attempt(index, ...times(30, 200), ...times(20, 500));
    watched.clock.advance(1_000);
    for (let index = 0; index < 5; index++) watched.attempt(index, ...times(20, 500), ...times(29, 200));
    watched.clock.advance(1_000);
    expect(watched.ejected).toEqual([]);
    for (let index = 0; index < 5; index++)
      watched.attempt(index, ...times(index < 2 ? 25 : 24, 500), ...times(26, 200));
    watched.attempt(0, 500);
    watched.clock.advance(1_000);
    expect(watched.ejected).toEqual([0]);
  });
});

describe('B11: probation', () => {
  function ejectedOnce(): Watched {
    const watched = new Watched(2, { ...lenient, consecutive_5xx: 2 });
    watched.attempt(0, 500, 500);
    watched.clock.advance(4_999);
    expect(watched.ejected).toEqual([0]);
    watched.clock.advance(1);
    expect(watched.ejected).toEqual([]);
    return watched;
  }

  test('B11 after the ejection time one request is let through, and no second one until it is answered', () => {
    const watched = ejectedOnce();
    const host = watched.host(0);
    host.newStream(request, watched.clock.monotonicMs(), true);
    expect(watched.ejected).toEqual([0]);
    expect(watched.stat('active')).toBe(1);
    host.recordResult(200);
    host.endStream(request, undefined);
    expect(watched.ejected).toEqual([]);
    expect(watched.stat('active')).toBe(0);
  });

  test('B11 when that one fails the host is out again at once, and for longer', () => {
    const watched = ejectedOnce();
    watched.attempt(0, 500);
    expect(watched.ejected).toEqual([0]);
    watched.clock.advance(9_999);
    expect(watched.ejected).toEqual([0]);
    watched.clock.advance(1);
    expect(watched.ejected).toEqual([]);
  });

  test('B11 when its client leaves before the answer, another request decides', () => {
    const watched = ejectedOnce();
    const host = watched.host(0);
    host.newStream(request, watched.clock.monotonicMs(), true);
    host.endStream(request, undefined);
    expect(watched.ejected).toEqual([]);
    watched.attempt(0, 200);
    expect(watched.stat('active')).toBe(0);
  });
});

test('the n-th ejection lasts n times as long, never longer than the maximum, and quiet intervals take it back', () => {
  const watched = new Watched(2, { ...lenient, consecutive_5xx: 1, max_ejection_time: '12s' });
  const ejectionMs = (): number => {
    watched.attempt(0, 500);
    let ms = 0;
    for (; watched.ejected.length > 0; ms += 1_000) watched.clock.advance(1_000);
    return ms;
  };
  expect([ejectionMs(), ejectionMs(), ejectionMs(), ejectionMs()]).toEqual([5_000, 10_000, 12_000, 12_000]);
  watched.attempt(0, 200);
  watched.clock.advance(2_000);
  expect(ejectionMs()).toBe(10_000);
  watched.attempt(0, 200);
  watched.clock.advance(60_000);
  expect(ejectionMs()).toBe(5_000);
});

test('what a host answers after it was removed changes no count', () => {
  const watched = new Watched(2, { ...lenient, consecutive_5xx: 1 });
  watched.attempt(0, 500);
  watched.clock.advance(5_000);
  const removed = watched.host(0);
  removed.newStream(request, watched.clock.monotonicMs(), true);
  const staying = watched.host(1).endpoint;
  watched.cluster.updateAssignment({ clusterName: 'c', overprovisioningFactor: 140, endpoints: [staying] });
  removed.recordResult(200);
  removed.recordResult(500);
  removed.endStream(request, undefined);
  expect(watched.stat('active')).toBe(0);
  expect(watched.stat('enforced_total')).toBe(1);
});

test('a host that goes while it is ejected is not counted any more, and a closed cluster leaves nothing behind', () => {
  const watched = new Watched(2, { ...lenient, consecutive_5xx: 1 });
  watched.attempt(0, 500);
  watched.attempt(1, 500);
  expect(watched.stat('active')).toBe(2);
  watched.cluster.updateAssignment({
    clusterName: 'c',
    overprovisioningFactor: 140,
    endpoints: [watched.host(1).endpoint],
  });
  expect(watched.stat('active')).toBe(1);
  watched.cluster.close();
  expect(watched.stat('active')).toBe(0);
  expect(watched.clock.pendingTimers).toBe(0);
});
