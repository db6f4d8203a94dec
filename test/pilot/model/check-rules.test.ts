import { describe, expect, test } from 'vitest';
import { discover } from '../../../pilot/registry/service-discovery.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { contextOf, metadataOf, resourcesOf, sidecarWorkload } from '../networking/scenario.ts';
import { resourcesOfNode } from '../networking/interception.ts';

const rule = (spec: string, { name = 'rule', namespace = 'default' } = {}): string => `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: CheckRule
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${spec} }
`;

const from = (source: string, action = 'ALLOW'): string =>
  rule(`host: reviews, action: ${action}, match: [{ source: { ${source} } }]`);

const at = (address: string, labels: Record<string, string>, more: Partial<NodeMetadata> = {}) =>
  sidecarWorkload({ name: `at-${address}`, address, labels, ...more });

const workloads = [
  at('10.0.0.1', { app: 'web' }, { service: 'web' }),
  at('10.0.0.2', { app: 'web' }, { service: 'web', namespace: 'shop' }),
  at('10.0.0.3', { app: 'batch' }, { service: 'batch' }),
  at('10.0.0.9', { app: 'web' }, { service: 'web', name: 'a' }),
  at('10.0.0.9', { app: 'batch' }, { service: 'batch', name: 'b' }),
];

function addresses(yaml: string): readonly string[] | undefined {
  return contextOf(yaml, workloads).checks.all[0]?.matches[0]?.workloadAddresses;
}

describe('a source of a CheckRule', () => {
  test('stands for the addresses of the workloads that fulfil all of it', () => {
    expect(addresses(from('labels: { app: web }'))).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(addresses(from('labels: { app: web }, namespaces: [shop]'))).toEqual(['10.0.0.2']);
    expect(addresses(from('services: [web, web.shop.svc.cluster.local], namespaces: [default]'))).toEqual(['10.0.0.1']);
    expect(addresses(from('labels: { app: nobody }'))).toEqual([]);
    expect(addresses(from('ipBlocks: [10.0.0.0/8]'))).toBeUndefined();
  });

  test('that shares its address with others never lets in, and always keeps out', () => {
    expect(addresses(from('labels: { app: batch }'))).toEqual(['10.0.0.3']);
    expect(addresses(from('labels: { app: batch }', 'DENY'))).toEqual(['10.0.0.3', '10.0.0.9']);
  });

  test('follows workloads as they come and go; nothing else is told of that', () => {
    const yaml = from('labels: { app: web }');
    const input = { revision: 1, resources: resourcesOf(yaml), workloads };
    const before = discover(input);
    expect(discover(input, before).checks).toBe(before.checks);
    const other = [...workloads, at('10.0.0.20', { app: 'other' }, { service: 'web' })];
    expect(discover({ ...input, workloads: other }, before).checks).toBe(before.checks);
    const more = discover(
      { ...input, workloads: [...workloads, at('10.0.0.21', { app: 'web' }, { service: 'web' })] },
      before,
    );
    expect(more.checks.all[0]?.matches[0]?.workloadAddresses).toContain('10.0.0.21');
    expect(more.config).toBe(before.config);
  });
});

describe('a CheckRule is for', () => {
  const policies = (yaml: string, node: Partial<NodeMetadata> = {}): string[] => {
    const { routes } = resourcesOfNode(metadataOf(node), contextOf(yaml, [sidecarWorkload(node)]));
    const inbound = routes.find(({ name = '' }) => name.startsWith('inbound'));
    const text = JSON.stringify(inbound?.typed_per_filter_config ?? {});
    return [...text.matchAll(/"([a-z-]+\/[a-z.0-9-]+)":\{"permissions"/g)].map(([, name = '']) => name);
  };

  test('the workloads of its host', () => {
    expect(policies(rule('host: reviews, action: DENY'))).toEqual(['default/rule']);
    expect(policies(rule('host: reviews, action: DENY'), { service: 'ratings' })).toEqual([]);
    expect(policies(rule('host: reviews.shop.svc.cluster.local, action: DENY'))).toEqual([]);
  });

  test('the workloads that it selects, in its namespace, and from the root namespace everywhere', () => {
    const selecting = (namespace: string, label: string) =>
      rule(`selector: { matchLabels: { app: ${label} } }, action: DENY`, { namespace });
    expect(policies(selecting('default', 'reviews'))).toEqual(['default/rule']);
    expect(policies(selecting('default', 'other'))).toEqual([]);
    expect(policies(selecting('shop', 'reviews'))).toEqual([]);
    expect(policies(selecting('istio-system', 'reviews'))).toEqual(['istio-system/rule']);
  });

  test('the ports that it names: an ALLOW rule for another one allows nothing here', () => {
    const two = 'match: [{ ports: [8080], methods: [GET] }, { ports: [9090] }]';
    expect(policies(rule(`host: reviews, action: DENY, ${two}`))).toEqual(['default/rule.0']);
    const { routes } = resourcesOfNode(
      metadataOf(),
      contextOf(rule('host: reviews, action: ALLOW, match: [{ ports: [9090] }]')),
    );
    expect(routes.find(({ name }) => name === 'inbound|8080||')?.typed_per_filter_config).toMatchObject({
      'envoy.filters.http.rbac.allow': { rbac: { rules: {} } },
    });
  });
});

test('a CheckRule whose provider is not there any more lets nobody in', () => {
  const { checks } = contextOf(rule('host: reviews, action: CUSTOM, provider: gone'));
  expect(checks.all[0]).toMatchObject({ action: 'DENY', matches: [] });
});
