import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type { Cluster, DnsCacheConfig } from '../../../proxy/api/envoy.gen.ts';
import { askServer, dnsCluster, forwardProxyCluster } from '../../support/dns-json.ts';

const strict = (rest: Cluster = {}): Cluster =>
  dnsCluster('api', 'STRICT_DNS', { host: 'api.test', port: 80, dnsPort: 53, ...rest });
const discoveryOf = (cluster: Cluster) => decodeCluster(cluster).value?.discovery;
const faultsOf = (cluster: Cluster): string[] =>
  decodeCluster(cluster).errors?.map(({ path, message }) => `${path}: ${message}`) ?? [];

describe('a cluster that looks names up', () => {
  test("has Envoy's defaults", () => {
    const { dns_lookup_family: _family, typed_dns_resolver_config: _resolver, ...bare } = strict();
    expect(discoveryOf(bare)).toMatchObject({
      kind: 'dns',
      isLogical: false,
      policy: { family: 'AUTO', servers: [], refreshMs: 5_000, respectsTtl: false, failureRefresh: undefined },
    });
  });

  test('takes servers, refresh rates and a family', () => {
    const cluster = strict({
      dns_refresh_rate: '30s',
      respect_dns_ttl: true,
      dns_failure_refresh_rate: { base_interval: '2s' },
      dns_lookup_family: 'ALL',
    });
    expect(discoveryOf(cluster)).toMatchObject({
      policy: {
        servers: ['127.0.0.1:53'],
        family: 'ALL',
        refreshMs: 30_000,
        respectsTtl: true,
        failureRefresh: { baseMs: 2_000, maxMs: 20_000 },
      },
    });
  });

  test('of type LOGICAL_DNS has one endpoint', () => {
    const [group] = strict().load_assignment?.endpoints ?? [];
    const twice = { cluster_name: 'api', endpoints: [group ?? {}, { lb_endpoints: [] }, ...(group ? [group] : [])] };
    expect(discoveryOf({ ...strict(), type: 'LOGICAL_DNS' })).toMatchObject({ isLogical: true });
    const none = { cluster_name: 'api', endpoints: [] };
    expect(faultsOf({ ...strict(), type: 'LOGICAL_DNS', load_assignment: none })).toEqual([
      'load_assignment: must have one endpoint in LOGICAL_DNS, got 0',
    ]);
    // One address twice is one endpoint.
    expect(faultsOf({ ...strict(), type: 'LOGICAL_DNS', load_assignment: twice })).toEqual([]);
  });

  test.each<[string, Cluster, RegExp]>([
    [
      'a name with a space',
      dnsCluster('a', 'STRICT_DNS', { host: 'a b', port: 80, dnsPort: 53 }),
      /address: must be an/,
    ],
    ['a refresh rate of nothing', strict({ dns_refresh_rate: '0s' }), /dns_refresh_rate: must be more than 0s/],
    [
      'a back-off that shrinks',
      strict({ dns_failure_refresh_rate: { base_interval: '2s', max_interval: '1s' } }),
      /max_interval: must be at least/,
    ],
    ['the older spelling of servers', strict({ dns_resolution_config: {} }), /dns_resolution_config: is not supported/],
    ['a static cluster with a name', { ...strict(), type: 'STATIC' }, /address: must be an IP address/],
    [
      'no server',
      strict({
        typed_dns_resolver_config: {
          ...askServer(53),
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
          },
        },
      }),
      /resolvers: must have at least one/,
    ],
  ])('is refused with %s', (_, cluster, fault) => {
    expect(faultsOf(cluster)).toContainEqual(expect.stringMatching(fault));
  });
});

describe('a dynamic forward proxy', () => {
  const proxy = (cache: DnsCacheConfig = {}, rest: Cluster = {}): Cluster =>
    forwardProxyCluster('any', { name: 'cache', ...cache }, rest);

  test("has Envoy's defaults", () => {
    expect(discoveryOf(proxy())).toEqual({
      kind: 'dynamic_forward_proxy',
      cache: {
        name: 'cache',
        family: 'AUTO',
        servers: [],
        refreshMs: 60_000,
        respectsTtl: true,
        minRefreshMs: 5_000,
        failureRefresh: undefined,
        queryTimeoutMs: 5_000,
        hostTtlMs: 300_000,
        maxHosts: 1_024,
        maxPendingRequests: 1_024,
      },
    });
  });

  test.each<[string, Cluster, RegExp]>([
    ['a load balancing policy', proxy({}, { lb_policy: 'ROUND_ROBIN' }), /lb_policy: must be CLUSTER_PROVIDED/],
    ['a cache without a name', proxy({ name: '' }), /dns_cache_config\.name: must be set/],
    ['a key value store', proxy({ key_value_config: {} }), /key_value_config: is not supported/],
    ['names to look up before anybody asks', proxy({ preresolve_hostnames: [{}] }), /preresolve_hostnames: is not/],
    ['room for no host', proxy({ max_hosts: 0 }), /max_hosts: must be from 1/],
  ])('is refused with %s', (_, cluster, fault) => {
    expect(faultsOf(cluster)).toContainEqual(expect.stringMatching(fault));
  });
});
