import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { hopBootstrap, mergeParts, staticCluster } from '../../../bench/peers/hop-bootstrap.ts';
import type { Bootstrap, VirtualHost } from '../../../proxy/api/envoy.gen.ts';

const scene = { port: 1, backend: { ports: [2, 3] } } as const;
const read = (text: string): Bootstrap => load(text) as Bootstrap;

function virtualHostsOf(bootstrap: Bootstrap): VirtualHost[] {
  const filter = bootstrap.static_resources?.listeners?.[0]?.filter_chains?.[0]?.filters?.[0];
  const config = filter?.typed_config as { route_config: { virtual_hosts: VirtualHost[] } } | undefined;
  return config?.route_config.virtual_hosts ?? [];
}

describe('the bootstrap of the hop', () => {
  it('is one route to one cluster when nothing is added', () => {
    const bootstrap = read(hopBootstrap(scene));
    expect(bootstrap.static_resources?.clusters).toEqual([staticCluster('nginx', 2)]);
    expect(virtualHostsOf(bootstrap)).toEqual([
      { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'nginx' } }] },
    ]);
  });

  it('has what is added in front of the route that all requests take', () => {
    const routes = [{ match: { prefix: '/a' }, route: { cluster: 'nginx' } }];
    const [all] = virtualHostsOf(read(hopBootstrap(scene, { routes, action: { timeout: '1s' }, domains: ['a'] })));
    expect(all?.domains).toEqual(['a']);
    expect(all?.routes).toEqual([...routes, { match: { prefix: '/' }, route: { cluster: 'nginx', timeout: '1s' } }]);
  });
});

describe('parts of several features', () => {
  it('are all there when they are merged', () => {
    const merged = mergeParts([
      { action: { timeout: '1s' }, clusters: [{ name: 'a' }], routes: [{ name: 'x' }] },
      { action: { host_rewrite_literal: 'h' }, clusters: [{ name: 'b' }], cluster: { lb_policy: 'RANDOM' } },
      {},
    ]);
    expect(merged).toMatchObject({
      action: { timeout: '1s', host_rewrite_literal: 'h' },
      clusters: [{ name: 'a' }, { name: 'b' }],
      routes: [{ name: 'x' }],
      cluster: { lb_policy: 'RANDOM' },
      virtualHosts: [],
    });
  });
});
