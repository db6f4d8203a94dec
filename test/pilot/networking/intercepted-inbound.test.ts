import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import {
  addressesOf,
  describeChains,
  listenerOf,
  managerOf,
  type NodeResources,
  resourcesOfNode,
} from './interception.ts';
import { contextOf, metadataOf, serviceYaml } from './scenario.ts';

const nodeOf = (given: Partial<NodeMetadata> = {}): NodeMetadata =>
  metadataOf({ interceptionMode: 'REDIRECT', address: '10.0.0.1', ...given });

const seenBy = (node: NodeMetadata, yaml = ''): NodeResources => resourcesOfNode(node, contextOf(yaml));

const inbound = (resources: NodeResources): string[] => describeChains(listenerOf(resources, 'virtualInbound'));

const ends = ['port 15006 -> BlackHoleCluster', 'any -> InboundPassthroughCluster'];

describe('the listener for intercepted connections to a workload', () => {
  test('takes them at 15006 and finds out where they were going', () => {
    const listener = listenerOf(seenBy(nodeOf()), 'virtualInbound');
    expect(addressesOf(listener)).toEqual(['0.0.0.0:15006', ':::15006']);
    expect(listener.traffic_direction).toBe('INBOUND');
    expect(listener).not.toHaveProperty('use_original_dst');
    expect(listener.listener_filters?.map(({ name }) => name)).toEqual(['envoy.filters.listener.original_dst']);
    expect(describeChains(listener)).toEqual(ends);
  });

  test('listens where the node says', () => {
    const resources = seenBy(nodeOf({ inboundPort: 20_006, outboundPort: 20_001 }));
    expect(inbound(resources)[0]).toBe('port 20006 -> BlackHoleCluster');
    expect(describeChains(listenerOf(resources, 'virtualOutbound'))[0]).toBe('port 20001 -> BlackHoleCluster');
  });

  test('has a chain for each target port of the services that name or select the workload, by its protocol', () => {
    const ports =
      '[{ name: http, port: 80, targetPort: 8080 }, { name: tcp, port: 5432 }, { name: https, port: 443, targetPort: 8443 }, { name: grpc, port: 7000 }]';
    const yaml =
      serviceYaml('reviews', { ports }) +
      serviceYaml('all', { ports: '[{ name: http, port: 9090 }]', selector: '{ app: reviews }' }) +
      serviceYaml('others', { ports: '[{ name: http, port: 9191 }]', selector: '{ app: ratings }' }) +
      serviceYaml('far', { ports: '[{ name: http, port: 9292 }]', selector: '{ app: reviews }', namespace: 'far' });
    expect(inbound(seenBy(nodeOf(), yaml))).toEqual([
      ends[0],
      'port 5432 -> inbound|5432||',
      'port 7000 -> routes inbound|7000||',
      'port 8080 -> routes inbound|8080||',
      'port 8443 -> inbound|8443||',
      'port 9090 -> routes inbound|9090||',
      ends[1],
    ]);
  });

  test('has a chain for each port that the workload lists; what no service has is HTTP or TCP by its first bytes', () => {
    const yaml = serviceYaml('reviews', { ports: '[{ name: http, port: 80, targetPort: 8080 }]' });
    const resources = seenBy(nodeOf({ appPorts: [8080, 9999, 3306] }), yaml);
    expect(inbound(resources)).toEqual([
      ends[0],
      'port 3306 -> inbound|3306||',
      'port 8080 -> routes inbound|8080||',
      'port 9999, http -> routes inbound|9999||',
      // Twice: Envoy decides about plain text or TLS before it looks at protocols.
      'port 9999 -> inbound|9999||',
      'port 9999 -> inbound|9999||',
      ends[1],
    ]);
  });

  test('under a rule that is in force lets in nothing but requests where nobody declared the protocol', () => {
    const rule = (mode: string) => `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: CheckRule
metadata: { name: rule, namespace: default }
spec: { host: reviews, action: DENY, mode: ${mode}, match: [{ paths: [{ exact: /admin }] }] }
`;
    const node = nodeOf({ appPorts: [9999, 3306] });
    expect(inbound(seenBy(node, rule('ENFORCE')))).toEqual([
      ends[0],
      'port 3306 -> inbound|3306||',
      'port 9999, http -> routes inbound|9999||',
      'port 9999 -> BlackHoleCluster',
      'port 9999 -> BlackHoleCluster',
      ends[1],
    ]);
    expect(inbound(seenBy(node, rule('SHADOW')))).toContain('port 9999 -> inbound|9999||');
  });

  test('looks at connections to ports that nobody declared; where a server may speak first nobody waits for that', () => {
    const inspectorOf = (ports: string) => {
      const resources = seenBy(nodeOf({ appPorts: [9998, 9999] }), serviceYaml('reviews', { ports }));
      const listener = listenerOf(resources, 'virtualInbound');
      expect(listener.listener_filters_timeout).toBe('0.05s');
      expect(listener.continue_on_listener_filters_timeout).toBe(true);
      expect(listener.listener_filters?.[1]?.name).toBe('envoy.filters.listener.http_inspector');
      return listener.listener_filters?.[1];
    };
    const range = (port: number) => ({ destination_port_range: { start: port, end: port + 1 } });
    expect(inspectorOf('[{ name: http, port: 80 }]')).not.toHaveProperty('filter_disabled');
    expect(inspectorOf('[{ name: tcp, port: 80 }]')?.filter_disabled).toEqual(range(80));
    expect(inspectorOf('[{ name: tcp, port: 80 }, { name: https, port: 443 }]')?.filter_disabled).toEqual({
      or_match: { rules: [range(80), range(443)] },
    });
  });

  test('reaches the application on loopback, with TPROXY where its caller meant it to be', () => {
    const clusterOf = (node: NodeMetadata) => seenBy(node).clusters.find(({ name }) => name === 'inbound|9999||');
    const [endpoints] = clusterOf(nodeOf({ appPorts: [9999] }))?.load_assignment?.endpoints ?? [];
    const address = endpoints?.lb_endpoints?.[0]?.endpoint?.address;
    expect(address?.socket_address).toEqual({ address: '127.0.0.1', port_value: 9999 });
    const transparent = nodeOf({ appPorts: [9999], interceptionMode: 'TPROXY' });
    expect(clusterOf(transparent)).toMatchObject({ type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' });
    expect(clusterOf(transparent)).not.toHaveProperty('load_assignment');
    expect(listenerOf(seenBy(transparent), 'virtualInbound').transparent).toBe(true);
  });

  test('speaks with the application what its service declares, or what its callers speak', () => {
    const ports =
      '[{ name: http, port: 80, targetPort: 8080 }, { name: grpc, port: 7000 }, { name: tcp, port: 5432 }, { name: web, port: 9000 }]';
    const versionsOf = (given: Partial<NodeMetadata>) =>
      seenBy(nodeOf({ appPorts: [8080, 9999], ...given }), serviceYaml('reviews', { ports }))
        .clusters.filter(({ name = '' }) => name.startsWith('inbound|'))
        .map((cluster) => decodeCluster(cluster).value)
        .map((cluster) => `${cluster?.name} ${cluster?.protocol}`);
    const expected = [
      'inbound|5432|| http1',
      'inbound|7000|| http2',
      'inbound|8080|| http1',
      'inbound|9000|| downstream',
      'inbound|9999|| downstream',
    ];
    expect(versionsOf({})).toEqual(expected);
    expect(versionsOf({ interceptionMode: 'TPROXY' })).toEqual(expected);
    // The application itself knows best.
    expect(versionsOf({ appProtocol: 'grpc' })).toContain('inbound|8080|| http2');
  });

  test('calls the application in the name of its caller with TPROXY, and of nobody otherwise', () => {
    const filtersOf = (node: NodeMetadata) => listenerOf(seenBy(node), 'virtualInbound').listener_filters;
    expect(filtersOf(nodeOf({ interceptionMode: 'TPROXY' }))).toEqual([
      expect.objectContaining({ name: 'envoy.filters.listener.original_dst' }),
      {
        name: 'envoy.filters.listener.original_src',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.listener.original_src.v3.OriginalSrc',
          mark: 1337,
        },
      },
    ]);
    expect(filtersOf(nodeOf())?.map(({ name }) => name)).toEqual(['envoy.filters.listener.original_dst']);
  });

  test('calls an address that is captured from one that the firewall lets pass, of each family', () => {
    const sourceOf = (node: NodeMetadata, cluster: string) =>
      seenBy(node).clusters.find(({ name }) => name === cluster)?.upstream_bind_config;
    const fromPassthroughAddress = {
      source_address: { address: '127.0.0.6', port_value: 0 },
      extra_source_addresses: [{ address: { address: '::6', port_value: 0 } }],
    };
    const [redirecting, transparent] = (['REDIRECT', 'TPROXY'] as const).map((interceptionMode) =>
      nodeOf({ appPorts: [9999], interceptionMode }),
    );
    for (const node of [redirecting, transparent]) {
      expect(sourceOf(node ?? nodeOf(), 'InboundPassthroughCluster')).toEqual(fromPassthroughAddress);
      expect(sourceOf(node ?? nodeOf(), 'PassthroughCluster')).toBeUndefined();
    }
    expect(sourceOf(redirecting ?? nodeOf(), 'inbound|9999||')).toBeUndefined();
    expect(sourceOf(transparent ?? nodeOf(), 'inbound|9999||')).toBeUndefined();
  });

  test("keeps the peer's metadata from the application", () => {
    const yaml = serviceYaml('reviews', { ports: '[{ name: http, port: 80 }]' });
    const resources = seenBy(nodeOf(), yaml);
    const chain = listenerOf(resources, 'virtualInbound').filter_chains?.[1] ?? {};
    const routes = resources.routes.find(({ name }) => name === managerOf(chain)?.rds?.route_config_name);
    expect(routes?.request_headers_to_remove).toEqual(['x-envoy-peer-metadata']);
  });

  test('never leads back to itself, whatever a service says', () => {
    const yaml = serviceYaml('reviews', { ports: '[{ name: http, port: 80, targetPort: 15006 }]' });
    expect(inbound(seenBy(nodeOf(), yaml))).toEqual(ends);
  });
});
