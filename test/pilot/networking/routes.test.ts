import { describe, expect, test } from 'vitest';
import type { Route, RouteAction } from '../../../proxy/api/envoy.gen.ts';
import { buildOutboundHosts } from '../../../pilot/networking/virtual-hosts.ts';
import { contextOf, destinationRuleYaml, serviceYaml, virtualServiceYaml } from './scenario.ts';

const subsets = destinationRuleYaml('{ host: reviews, subsets: [{ name: v1, labels: { version: v1 } }] }');

/** Routes of `reviews`, port 80, as a client in `default` gets them. */
function routesOf(yaml: string, { port = 80, host = 'reviews.default.svc.cluster.local' } = {}): Route[] {
  const hosts = buildOutboundHosts(contextOf(serviceYaml('reviews') + yaml).config, { namespace: 'default' });
  return hosts.find(({ virtualHost }) => virtualHost.name === `${host}:${port}`)?.virtualHost.routes ?? [];
}

const actionsOf = (yaml: string): (RouteAction | undefined)[] => routesOf(yaml).map(({ route }) => route);
const retry_policy = {
  retry_on: 'connect-failure,refused-stream',
  num_retries: 2,
  retry_host_predicate: [expect.objectContaining({ name: 'envoy.retry_host_predicates.previous_hosts' })],
  host_selection_retry_max_attempts: 5,
};

describe('routes', () => {
  test('without a VirtualService everything goes to all workloads, without a timeout, with safe retries', () => {
    expect(routesOf('')).toEqual([
      {
        name: 'default',
        match: { prefix: '/' },
        route: {
          cluster: 'outbound|80||reviews.default.svc.cluster.local',
          timeout: '0s',
          max_grpc_timeout: '0s',
          retry_policy,
        },
      },
    ]);
  });

  test('the rules keep their order and each match is a route of its own', () => {
    const rules = virtualServiceYaml(`
  - match: [{ uri: { exact: /a } }, { uri: { prefix: /b } }]
    route: [{ destination: { host: reviews, subset: v1 } }]
  - route: [{ destination: { host: reviews } }]`);
    const routes = routesOf(subsets + rules);
    expect(routes.map(({ match }) => match)).toEqual([{ path: '/a' }, { prefix: '/b' }, { prefix: '/' }]);
    expect(routes.map(({ route }) => route?.cluster)).toEqual([
      'outbound|80|v1|reviews.default.svc.cluster.local',
      'outbound|80|v1|reviews.default.svc.cluster.local',
      'outbound|80||reviews.default.svc.cluster.local',
    ]);
  });

  test('what follows a catch-all is dropped', () => {
    const rules = virtualServiceYaml(`
  - match: [{ uri: { prefix: / } }, { uri: { prefix: /unreachable } }]
    route: [{ destination: { host: reviews } }]
  - match: [{ uri: { prefix: /too } }]
    route: [{ destination: { host: reviews } }]`);
    expect(routesOf(rules).map(({ match }) => match)).toEqual([{ prefix: '/' }]);
  });

  test('a VirtualService without a catch-all gets no default route: the rest is answered with 404', () => {
    const rules = virtualServiceYaml(
      '[{ match: [{ uri: { prefix: /a } }], route: [{ destination: { host: reviews } }] }]',
    );
    expect(routesOf(rules).map(({ match }) => match)).toEqual([{ prefix: '/a' }]);
  });

  test('names of rule and match are the name of the route', () => {
    const rules = virtualServiceYaml(`
  - name: testers
    match: [{ name: by-path, uri: { prefix: /a } }, { uri: { prefix: /b } }]
    route: [{ destination: { host: reviews } }]
  - route: [{ destination: { host: reviews } }]`);
    expect(routesOf(rules).map(({ name }) => name)).toEqual(['testers.by-path', 'testers', undefined]);
  });

  test('several destinations share by weight, those of weight 0 get nothing', () => {
    const rules = virtualServiceYaml(`
  - route:
    - { destination: { host: reviews, subset: v1 }, weight: 95 }
    - { destination: { host: reviews, subset: v2 }, weight: 5 }
    - { destination: { host: reviews, subset: v3 }, weight: 0 }`);
    expect(actionsOf(rules)[0]?.weighted_clusters).toEqual({
      clusters: [
        { name: 'outbound|80|v1|reviews.default.svc.cluster.local', weight: 95 },
        { name: 'outbound|80|v2|reviews.default.svc.cluster.local', weight: 5 },
      ],
    });
  });

  test('a single destination takes everything whatever its weight', () => {
    const alone = virtualServiceYaml('[{ route: [{ destination: { host: reviews }, weight: 0 }] }]');
    expect(actionsOf(alone)[0]?.cluster).toBe('outbound|80||reviews.default.svc.cluster.local');
    const left = virtualServiceYaml(
      '[{ route: [{ destination: { host: reviews }, weight: 7 }, { destination: { host: gone }, weight: 0 }] }]',
    );
    expect(actionsOf(left)[0]?.cluster).toBe('outbound|80||reviews.default.svc.cluster.local');
  });

  test('a timeout in the syntax of Go becomes one of protobuf', () => {
    const rules = virtualServiceYaml('[{ timeout: 1m1.5s, route: [{ destination: { host: reviews } }] }]');
    expect(actionsOf(rules)[0]?.timeout).toBe('61.5s');
  });

  test('a short name means the namespace of the rule, a name with a dot is left alone', () => {
    const rules = (host: string) =>
      virtualServiceYaml(`[{ route: [{ destination: { host: ${host} } }] }]`, {
        namespace: 'shop',
        hosts: '[reviews.default.svc.cluster.local]',
      });
    expect(actionsOf(rules('other'))[0]?.cluster).toBe('outbound|80||other.shop.svc.cluster.local');
    expect(actionsOf(rules('api.example.com'))[0]?.cluster).toBe('outbound|80||api.example.com');
  });

  test('a destination goes to the port it names, else to the only port of its service, else to the port of the request', () => {
    const rules = (destination: string) => virtualServiceYaml(`[{ route: [{ destination: ${destination} }] }]`);
    const single = serviceYaml('single', { ports: '[{ name: http, port: 9080 }]' });
    const several = serviceYaml('several', { ports: '[{ name: http-a, port: 81 }, { name: http-b, port: 82 }]' });
    const clusterOf = (destination: string) => actionsOf(single + several + rules(destination))[0]?.cluster;
    expect(clusterOf('{ host: several, port: { number: 82 } }')).toBe('outbound|82||several.default.svc.cluster.local');
    expect(clusterOf('{ host: single }')).toBe('outbound|9080||single.default.svc.cluster.local');
    expect(clusterOf('{ host: several }')).toBe('outbound|80||several.default.svc.cluster.local');
  });

  test('an unknown subset gives a cluster that does not exist', () => {
    const rules = virtualServiceYaml('[{ route: [{ destination: { host: reviews, subset: v9 } }] }]');
    expect(actionsOf(subsets + rules)[0]?.cluster).toBe('outbound|80|v9|reviews.default.svc.cluster.local');
  });
});
