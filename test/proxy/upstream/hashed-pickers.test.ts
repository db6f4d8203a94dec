import { describe, expect, test } from 'vitest';
import { murmurHash } from '../../../proxy/common/murmur-hash.ts';
import { HostedCluster, type HostedClusterOptions } from './hosts.ts';

const keys = Array.from({ length: 5_000 }, (_, i) => murmurHash(`user-${i}`));
const ports = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

function placesOf(cluster: HostedCluster): (number | undefined)[] {
  return keys.map((key) => cluster.pick(key));
}

/** Part of the keys that are at another host in `after` than in `before`. */
function movedPart(before: readonly unknown[], after: readonly unknown[]): number {
  return before.filter((place, i) => place !== after[i]).length / before.length;
}

const largeRing = { ring_hash_lb_config: { minimum_ring_size: 10_240 } };
const cases: ['RING_HASH' | 'MAGLEV', HostedClusterOptions][] = [
  ['RING_HASH', largeRing],
  ['MAGLEV', {}],
];

describe.each(cases)('%s', (policy, options) => {
  test('one hash always leads to one host, in every proxy, whatever the order of the endpoints', () => {
    const places = placesOf(new HostedCluster(policy, ports(10), { ...options, seed: 1 }));
    expect(placesOf(new HostedCluster(policy, ports(10), { ...options, seed: 2 }))).toEqual(places);
    if (policy === 'RING_HASH') {
      expect(placesOf(new HostedCluster(policy, ports(10).reverse(), options))).toEqual(places);
    }
    expect(new Set(places).size).toBe(10);
  });

  test('D8: a host that comes takes about one in n requests, and hardly any other moves', () => {
    const cluster = new HostedCluster(policy, ports(10), options);
    const before = placesOf(cluster);
    cluster.setEndpoints(ports(11));
    const after = placesOf(cluster);
    const arrived = after.filter((place) => place === 11).length / keys.length;
    expect(Math.abs(arrived - 1 / 11)).toBeLessThan(0.03);
    expect(movedPart(before, after)).toBeLessThan(2.2 / 11);
  });

  test('D8: a host that goes leaves the others about as they were', () => {
    const cluster = new HostedCluster(policy, ports(10), options);
    const before = placesOf(cluster);
    cluster.setEndpoints(ports(9));
    const after = placesOf(cluster);
    const orphaned = before.filter((place) => place === 10).length / keys.length;
    expect(Math.abs(orphaned - 1 / 10)).toBeLessThan(0.03);
    expect(movedPart(before, after)).toBeLessThan(2.2 / 10);
  });

  test('a host that is unhealthy for a while gets exactly its requests back', () => {
    const cluster = new HostedCluster(policy, ports(5), options);
    const before = placesOf(cluster);
    cluster.setEndpoints([{ port: 1, health_status: 'UNHEALTHY' }, 2, 3, 4, 5]);
    expect(placesOf(cluster)).not.toContain(1);
    cluster.setEndpoints(ports(5));
    expect(placesOf(cluster)).toEqual(before);
  });

  test('weights are shares of the hashes', () => {
    const cluster = new HostedCluster(
      policy,
      [
        { port: 1, load_balancing_weight: 1 },
        { port: 2, load_balancing_weight: 3 },
      ],
      options,
    );
    const share = placesOf(cluster).filter((place) => place === 2).length / keys.length;
    expect(Math.abs(share - 0.75)).toBeLessThan(0.05);
  });

  test('repeated attempts leave the host of their hash, the same way each time', () => {
    const { cluster } = new HostedCluster(policy, ports(4), options);
    for (const key of keys.slice(0, 200)) {
      const tried = [0, 1, 2, 3, 4, 5, 6, 7].map((attempt) => cluster.pick(key, attempt));
      expect(tried[0]).toBe(cluster.pick(key));
      expect(new Set(tried).size).toBeGreaterThan(1);
      expect([0, 1, 2, 3, 4, 5, 6, 7].map((attempt) => cluster.pick(key, attempt))).toEqual(tried);
    }
  });
});

describe('RING_HASH', () => {
  test('on a ring that may not be large enough for all hosts some get nothing, and no request is lost', () => {
    const options = { ring_hash_lb_config: { minimum_ring_size: 2, maximum_ring_size: 2 } };
    const places = placesOf(new HostedCluster('RING_HASH', ports(5), options));
    expect(places).not.toContain(undefined);
    expect(new Set(places).size).toBeLessThanOrEqual(2);
  });

  test('a larger ring is fairer', () => {
    const spread = (minimum_ring_size: number): number => {
      const cluster = new HostedCluster('RING_HASH', ports(5), { ring_hash_lb_config: { minimum_ring_size } });
      const counts = ports(5).map((port) => placesOf(cluster).filter((place) => place === port).length);
      return Math.max(...counts) - Math.min(...counts);
    };
    expect(spread(100_000)).toBeLessThan(spread(10));
  });
});

describe('MAGLEV', () => {
  test('fills a table of any prime size, evenly', () => {
    const cluster = new HostedCluster('MAGLEV', ports(5), { maglev_lb_config: { table_size: 503 } });
    // Hashes 0 to 502 name each slot once.
    const slots = Array.from({ length: 503 }, (_, hash) => cluster.pick(hash));
    for (const port of ports(5)) {
      expect([100, 101]).toContain(slots.filter((slot) => slot === port).length);
    }
  });
});
