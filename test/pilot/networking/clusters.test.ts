import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../../proxy/api/envoy.gen.ts';
import { buildInboundCluster, buildOutboundClusters } from '../../../pilot/networking/clusters.ts';
import { contextOf, destinationRuleYaml, serviceYaml } from './scenario.ts';

function clustersOf(yaml: string, namespace = 'default'): Cluster[] {
  const all = buildOutboundClusters(contextOf(serviceYaml('reviews') + yaml).config, { namespace });
  return all.filter(({ name }) => name !== 'PassthroughCluster');
}

function clusterOf(yaml: string, subset: string, namespace = 'default'): Cluster | undefined {
  return clustersOf(yaml, namespace).find(
    ({ name }) => name === `outbound|80|${subset}|reviews.default.svc.cluster.local`,
  );
}

const namesOf = (yaml: string, namespace?: string) => clustersOf(yaml, namespace).map(({ name }) => name);

describe('outbound clusters', () => {
  test('a port of a service is one EDS cluster that tells which service it is', () => {
    expect(clustersOf('')).toEqual([
      {
        name: 'outbound|80||reviews.default.svc.cluster.local',
        type: 'EDS',
        eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
        lb_policy: 'LEAST_REQUEST',
        common_lb_config: { zone_aware_lb_config: { routing_enabled: { value: 0 } } },
        connect_timeout: '10s',
        // Said in full where limits are tested.
        circuit_breakers: { thresholds: [expect.any(Object)] },
        metadata: {
          filter_metadata: {
            istio: { services: [{ host: 'reviews.default.svc.cluster.local', name: 'reviews', namespace: 'default' }] },
          },
        },
      },
    ]);
  });

  test('each subset is a cluster beside the one of all workloads', () => {
    const yaml = destinationRuleYaml('{ host: reviews, subsets: [{ name: v1 }, { name: v2 }] }');
    expect(namesOf(yaml)).toEqual([
      'outbound|80||reviews.default.svc.cluster.local',
      'outbound|80|v1|reviews.default.svc.cluster.local',
      'outbound|80|v2|reviews.default.svc.cluster.local',
    ]);
  });

  test('a rule of the client comes before one of the service, that before one of the root namespace', () => {
    const rule = (namespace: string) =>
      destinationRuleYaml(`{ host: reviews.default.svc.cluster.local, subsets: [{ name: from-${namespace} }] }`, {
        namespace,
      });
    const subsetIn = (yaml: string, namespace: string) => clustersOf(yaml, namespace).at(-1)?.name?.split('|')[2];
    const all = rule('shop') + rule('default') + rule('istio-system');
    expect(subsetIn(all, 'shop')).toBe('from-shop');
    expect(subsetIn(all, 'other')).toBe('from-default');
    expect(subsetIn(rule('shop') + rule('istio-system'), 'other')).toBe('from-istio-system');
    expect(subsetIn(rule('elsewhere'), 'other')).toBe('');
  });

  test('rules for one host are merged: subsets joined, the first policy and the first of a name win', () => {
    const yaml =
      destinationRuleYaml('{ host: reviews, subsets: [{ name: a, labels: { x: "1" } }] }', { name: 'one' }) +
      destinationRuleYaml(
        '{ host: reviews, trafficPolicy: { loadBalancer: { simple: RANDOM } }, subsets: [{ name: a }, { name: b }] }',
        { name: 'two' },
      ) +
      destinationRuleYaml('{ host: reviews, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }', {
        name: 'three',
      });
    expect(namesOf(yaml).map((name) => name?.split('|')[2])).toEqual(['', 'a', 'b']);
    expect(clusterOf(yaml, 'b')?.lb_policy).toBe('RANDOM');
  });

  test('a policy applies to all clusters of the host, a policy of a subset to its own, block by block', () => {
    const yaml = destinationRuleYaml(`
  host: reviews
  trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }, connectionPool: { tcp: { connectTimeout: 250ms } } }
  subsets:
  - { name: plain }
  - { name: other, trafficPolicy: { loadBalancer: { simple: RANDOM }, connectionPool: { http: { idleTimeout: 1m } } } }`);
    const policyOf = (subset: string) => {
      const { lb_policy, connect_timeout, common_http_protocol_options } = clusterOf(yaml, subset) ?? {};
      return { lb_policy, connect_timeout, idle: common_http_protocol_options?.idle_timeout };
    };
    expect(policyOf('')).toEqual({ lb_policy: 'ROUND_ROBIN', connect_timeout: '0.25s', idle: undefined });
    expect(policyOf('plain')).toEqual(policyOf(''));
    expect(policyOf('other')).toEqual({ lb_policy: 'RANDOM', connect_timeout: '10s', idle: '60s' });
  });

  test('LEAST_CONN is the old name of LEAST_REQUEST', () => {
    const yaml = destinationRuleYaml('{ host: reviews, trafficPolicy: { loadBalancer: { simple: LEAST_CONN } } }');
    expect(clusterOf(yaml, '')?.lb_policy).toBe('LEAST_REQUEST');
  });

  test('a rule with a wildcard applies to the hosts it covers, one with the name goes first', () => {
    const rule = (host: string, simple: string) =>
      destinationRuleYaml(`{ host: "${host}", trafficPolicy: { loadBalancer: { simple: ${simple} } } }`, {
        name: simple.toLowerCase().replace('_', '-'),
      });
    const wildcard = rule('*.default.svc.cluster.local', 'RANDOM');
    expect(clusterOf(wildcard, '')?.lb_policy).toBe('RANDOM');
    expect(clusterOf(wildcard + rule('reviews', 'ROUND_ROBIN'), '')?.lb_policy).toBe('ROUND_ROBIN');
    expect(clusterOf(rule('*.com', 'RANDOM'), '')?.lb_policy).toBe('LEAST_REQUEST');
  });
});

describe('inbound cluster', () => {
  test('is the application on loopback', () => {
    const cluster = buildInboundCluster(8080, 'http1');
    expect(cluster.name).toBe('inbound|8080||');
    expect(cluster.load_assignment?.endpoints?.[0]?.lb_endpoints?.[0]?.endpoint?.address?.socket_address).toEqual({
      address: '127.0.0.1',
      port_value: 8080,
    });
  });
});
