import { describe, expect, test } from 'vitest';
import type { LoadBalancerSettings } from '../../../crds/traffic-policy.ts';
import type { RouteAction } from '../../../proxy/api/envoy.gen.ts';
import type { PolicyBlocks } from '../../../pilot/model/destination-rules.ts';
import { buildCommonLoadBalancing, buildLoadBalancer } from '../../../pilot/networking/load-balancer.ts';
import { buildOutboundHosts } from '../../../pilot/networking/virtual-hosts.ts';
import { contextOf, destinationRuleYaml, serviceYaml, virtualServiceYaml } from './scenario.ts';

describe('the load balancer of a cluster', () => {
  const slow_start_config = { slow_start_window: '30s' };

  test.each<[LoadBalancerSettings | undefined, object]>([
    [undefined, { lb_policy: 'LEAST_REQUEST' }],
    [{ simple: 'LEAST_CONN' }, { lb_policy: 'LEAST_REQUEST' }],
    [{ simple: 'RANDOM' }, { lb_policy: 'RANDOM' }],
    [{ consistentHash: { useSourceIp: true } }, { lb_policy: 'RING_HASH' }],
    [
      { consistentHash: { minimumRingSize: 7 } },
      { lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 7 } },
    ],
    [
      { consistentHash: { ringHash: { minimumRingSize: 9 } } },
      { lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 9 } },
    ],
    [{ consistentHash: { ringHash: { minimumRingSize: 0 } } }, { lb_policy: 'RING_HASH' }],
    [
      { consistentHash: { maglev: { tableSize: 101 } } },
      { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 101 } },
    ],
    [{ warmupDurationSecs: '30s' }, { lb_policy: 'LEAST_REQUEST', least_request_lb_config: { slow_start_config } }],
    [
      { simple: 'ROUND_ROBIN', warmup: { duration: '30s', minimumPercent: 0, aggression: 2 } },
      {
        lb_policy: 'ROUND_ROBIN',
        round_robin_lb_config: {
          slow_start_config: {
            slow_start_window: '30s',
            min_weight_percent: { value: 0 },
            aggression: { default_value: 2, runtime_key: 'upstream.slow_start.aggression' },
          },
        },
      },
    ],
  ])('for %j', (settings, expected) => {
    expect(buildLoadBalancer(settings === undefined ? {} : { loadBalancer: settings })).toEqual(expected);
  });
});

describe('what counts for all policies', () => {
  const failover = [{ from: 'a', to: 'b' }];
  const distribute = [{ from: '*', to: { a: 100 } }];
  const weighted = { locality_weighted_lb_config: {} };
  const noPanic = { healthy_panic_threshold: { value: 0 } };
  const zoneless = { zone_aware_lb_config: { routing_enabled: { value: 0 } } };

  test.each<[string, PolicyBlocks, object | undefined]>([
    ['nothing', {}, zoneless],
    ['D7: outlier detection', { outlierDetection: {} }, { ...noPanic, ...zoneless }],
    [
      'D7: a least health',
      { outlierDetection: { minHealthPercent: 30 } },
      { healthy_panic_threshold: { value: 30 }, ...zoneless },
    ],
    ['zones', { loadBalancer: { zoneAwareLbSetting: {} } }, { zone_aware_lb_config: {} }],
    [
      'zones from a least size on',
      { loadBalancer: { zoneAwareLbSetting: { enabled: true, minClusterSize: 2 } } },
      { zone_aware_lb_config: { min_cluster_size: 2 } },
    ],
    ['zones, switched off', { loadBalancer: { zoneAwareLbSetting: { enabled: false } } }, zoneless],
    ['a hash', { loadBalancer: { consistentHash: { useSourceIp: true } } }, undefined],
    ['latency', { peakEwma: { decayMs: undefined } }, undefined],
    ['distribute', { loadBalancer: { localityLbSetting: { distribute } } }, weighted],
    ['distribute, switched off', { loadBalancer: { localityLbSetting: { distribute, enabled: false } } }, zoneless],
    ['failover that nothing triggers', { loadBalancer: { localityLbSetting: { failover } } }, zoneless],
    [
      'failover',
      { outlierDetection: {}, loadBalancer: { localityLbSetting: { failover } } },
      { ...noPanic, ...weighted },
    ],
    [
      'failoverPriority',
      { outlierDetection: {}, loadBalancer: { localityLbSetting: { failoverPriority: ['app'] } } },
      { ...noPanic, ...weighted },
    ],
    [
      'failover beside a policy that is an extension',
      { outlierDetection: {}, loadBalancer: { localityLbSetting: { failover } }, peakEwma: { decayMs: undefined } },
      noPanic,
    ],
  ])('%s', (_, policy, expected) => {
    expect(buildCommonLoadBalancing(policy, {}).common_lb_config).toEqual(expected);
  });

  test('latency is asked for first, and what every Envoy has second', () => {
    const { lb_policy, load_balancing_policy } = buildLoadBalancer({ peakEwma: { decayMs: 1_500 } });
    const extensions = load_balancing_policy?.policies?.map((policy) => policy.typed_extension_config);
    expect(lb_policy).toBeUndefined();
    expect(extensions).toMatchObject([
      { name: 'envoy.load_balancing_policies.peak_ewma', typed_config: { decay_time: '1.5s', default_rtt: '0s' } },
      {
        name: 'envoy.load_balancing_policies.least_request',
        typed_config: { locality_lb_config: { zone_aware_lb_config: { routing_enabled: { value: 0 } } } },
      },
    ]);
  });

  test.each<PolicyBlocks['loadBalancer'] & object>([
    { simple: 'RANDOM' },
    { consistentHash: { useSourceIp: true } },
    { localityLbSetting: { distribute } },
    { zoneAwareLbSetting: {} },
  ])('a subset of another rule that wants %j gets it', (loadBalancer) => {
    const { load_balancing_policy } = buildLoadBalancer({ loadBalancer, peakEwma: { decayMs: undefined } });
    expect(load_balancing_policy).toBeUndefined();
  });
});

function actionOf(yaml: string, namespace = 'default'): RouteAction | undefined {
  const { config } = contextOf(serviceYaml('reviews') + yaml);
  return buildOutboundHosts(config, { namespace })[0]?.virtualHost.routes?.[0]?.route;
}

const byHeader = (name: string): string => `{ loadBalancer: { consistentHash: { httpHeaderName: ${name} } } }`;

describe('hash policies of a route', () => {
  test('are absent unless the cluster hashes', () => {
    expect(actionOf('')).not.toHaveProperty('hash_policy');
    expect(
      actionOf(destinationRuleYaml('{ host: reviews, trafficPolicy: { loadBalancer: { simple: RANDOM } } }')),
    ).not.toHaveProperty('hash_policy');
  });

  test('name the key of the rule that applies to the client', () => {
    const rules =
      destinationRuleYaml(`{ host: reviews, trafficPolicy: ${byHeader('x-own')} }`) +
      destinationRuleYaml(`{ host: reviews.default.svc.cluster.local, trafficPolicy: ${byHeader('x-shop')} }`, {
        namespace: 'shop',
      });
    expect(actionOf(rules)?.hash_policy).toEqual([{ header: { header_name: 'x-own' } }]);
    expect(actionOf(rules, 'shop')?.hash_policy).toEqual([{ header: { header_name: 'x-shop' } }]);
  });

  test('are those of the settings for the port', () => {
    const settings = '[{ port: { number: 80 }, loadBalancer: { consistentHash: { httpQueryParameterName: q } } }]';
    const rule = destinationRuleYaml(`{ host: reviews, trafficPolicy: { portLevelSettings: ${settings} } }`);
    expect(actionOf(rule)?.hash_policy).toEqual([{ query_parameter: { name: 'q' } }]);
  });

  test('carry everything of a cookie', () => {
    const cookie = '{ name: lb, path: /a, ttl: 1m30s, attributes: [{ name: SameSite, value: Lax }] }';
    const policy = `{ loadBalancer: { consistentHash: { httpCookie: ${cookie} } } }`;
    expect(actionOf(destinationRuleYaml(`{ host: reviews, trafficPolicy: ${policy} }`))?.hash_policy).toEqual([
      { cookie: { name: 'lb', path: '/a', ttl: '90s', attributes: [{ name: 'SameSite', value: 'Lax' }] } },
    ]);
  });

  const subsets = destinationRuleYaml(
    `{ host: reviews, trafficPolicy: ${byHeader('x-a')}, subsets: [{ name: a }, { name: b, trafficPolicy: ${byHeader('x-b')} }, { name: c }] }`,
  );
  const split = (annotation = '') =>
    virtualServiceYaml(`[{ route: [
      { destination: { host: reviews, subset: a }, weight: 2 },
      { destination: { host: reviews, subset: b }, weight: 1 },
      { destination: { host: reviews, subset: c }, weight: 3 } ] }]`).replace('default }', `default${annotation} }`);

  test('of weighted destinations are those of all of them, each once', () => {
    const action = actionOf(subsets + split());
    expect(action?.hash_policy).toEqual([{ header: { header_name: 'x-a' } }, { header: { header_name: 'x-b' } }]);
    expect(action?.weighted_clusters).not.toHaveProperty('use_hash_policy');
    expect(action?.weighted_clusters?.clusters?.map(({ weight }) => weight)).toEqual([2, 1, 3]);
  });

  test('begin with the terminal key of a sticky split, whose weights have one fixed sum', () => {
    const action = actionOf(subsets + split(', annotations: { heddle.dev/sticky: "cookie:lb;1h" }'));
    expect(action?.hash_policy?.[0]).toEqual({ cookie: { name: 'lb', ttl: '3600s', path: '/' }, terminal: true });
    expect(action?.hash_policy).toHaveLength(3);
    expect(action?.weighted_clusters?.use_hash_policy).toBe(true);
    expect(action?.weighted_clusters?.clusters?.map(({ weight }) => weight)).toEqual([333_333, 166_667, 500_000]);
  });
});
