import { expect, test } from 'vitest';
import { StatsStore } from '../../../proxy/common/stats.ts';

test('the same name is the same statistic', () => {
  const stats = new StatsStore();
  stats.counter('cluster.a.upstream_rq_total').value += 1;
  stats.counter('cluster.a.upstream_rq_total').value += 1;
  expect(stats.counter('cluster.a.upstream_rq_total').value).toBe(2);
  expect(stats.entries()).toHaveLength(1);
});

test('entries are sorted by name and know their kind', () => {
  const stats = new StatsStore();
  stats.gauge('server.live').value = 1;
  stats.counter('cluster.b.upstream_rq_total');
  stats.counter('cluster.a.upstream_rq_total');
  expect(stats.entries().map(({ name, kind, value }) => [name, kind, value])).toEqual([
    ['cluster.a.upstream_rq_total', 'counter', 0],
    ['cluster.b.upstream_rq_total', 'counter', 0],
    ['server.live', 'gauge', 1],
  ]);
});

test('a removed cluster leaves no series behind and starts anew when it returns', () => {
  const stats = new StatsStore();
  const before = stats.counter('cluster.a.upstream_rq_total');
  before.value = 7;
  stats.counter('cluster.ab.upstream_rq_total');
  stats.remove(stats.entries().filter((stat) => stat.name.startsWith('cluster.a.')));
  expect(stats.entries().map(({ name }) => name)).toEqual(['cluster.ab.upstream_rq_total']);
  expect(stats.counter('cluster.a.upstream_rq_total')).not.toBe(before);
  expect(stats.counter('cluster.a.upstream_rq_total').value).toBe(0);
});
