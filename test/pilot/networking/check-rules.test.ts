import { describe, expect, test } from 'vitest';
import { requirePeers } from '../../support/peers.ts';
import { validateWithEnvoy } from './envoy-validation.ts';
import type {
  envoy_config_rbac_v3_RBAC as RbacRules,
  envoy_extensions_filters_network_rbac_v3_RBAC as NetworkRbac,
  FilterChain,
} from '../../../proxy/api/envoy.gen.ts';
import { chainsOf, listenerOf, type NodeResources, resourcesOfNode } from './interception.ts';
import { contextOf, metadataOf, serviceYaml, sidecarWorkload } from './scenario.ts';

const gateway = metadataOf({ type: 'router', service: '', labels: { gateway: 'edge' }, appPort: 0, inboundPort: 0 });

const served = `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: front }
spec: { selector: { gateway: edge }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec: { hosts: [a.example.com], gateways: [front], http: [{ route: [{ destination: { host: web } }] }] }
`;

const rule = (spec: string, name = 'rule'): string => `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: CheckRule
metadata: { name: ${name}, namespace: default }
spec: { ${spec} }
`;

const everything =
  rule(
    `host: web, action: DENY, match: [{ source: { labels: { app: web }, notIpBlocks: [10.9.0.0/16], remoteIpBlocks: ["fd00::/8"] }, methods: [GET, PUT], paths: [{ exact: /a }, { prefix: /b }, { regex: "/c/.*" }], headers: { x-a: { regex: "a+" } }, withoutHeaders: { x-b: {} }, lists: [{ attribute: method, values: [GET] }, { attribute: path, not: true, values: [/x] }, { attribute: source.ip, values: [10.0.0.0/8] }] }]`,
    'a',
  ) +
  rule('host: web, action: ALLOW, mode: SHADOW, match: [{ source: { labels: { app: nobody } } }]', 'b') +
  rule(
    'selector: { matchLabels: { gateway: edge } }, action: DENY, match: [{ ports: [80], methods: [TRACE] }, { ports: [81] }]',
    'c',
  );

const web = serviceYaml('web', { ports: '[{ name: http, port: 80 }, { name: tcp-db, port: 5432 }]' });
const push = () => contextOf(web + served + everything, [sidecarWorkload({ service: 'web' })]);

function policiesOf({ routes }: NodeResources): string[] {
  const names = [...JSON.stringify(routes).matchAll(/"(default\/[a-z.0-9]+)":\{"permissions"/g)];
  return names.map(([, name = '']) => name);
}

describe('check rules', () => {
  test('of a gateway are in its routes, for the ports that they name, and its listeners have filters for them', () => {
    const resources = resourcesOfNode(gateway, push());
    expect(policiesOf(resources)).toEqual(['default/c.0']);
    expect(JSON.stringify(resources.listeners)).toContain('envoy.filters.http.rbac.deny');
  });

  test('of a workload are in its inbound routes', () => {
    expect(policiesOf(resourcesOfNode(metadataOf({ service: 'web' }), push()))).toEqual(['default/a', 'default/b']);
  });

  test('of requests are not about connections, of sources and times they are, for the ports that they name', () => {
    const yaml =
      web +
      rule(
        'host: web, action: DENY, match: [{ methods: [GET] }, { ports: [5432], source: { ipBlocks: [10.0.0.0/8] } }]',
        'a',
      ) +
      rule('host: web, action: ALLOW, match: [{ paths: [{ exact: /a }] }]', 'b') +
      rule(
        'host: web, action: DENY, mode: SHADOW, match: [{ ports: [80] }, { time: { days: [SUN] }, ports: [1, 2] }]',
        'c',
      );
    const node = metadataOf({ service: 'web', interceptionMode: 'REDIRECT' });
    const resources = resourcesOfNode(node, contextOf(yaml, [sidecarWorkload({ service: 'web' })]));
    const checksOf = (chain: FilterChain): unknown[] =>
      (chain.filters ?? []).slice(0, -1).map(({ typed_config }) => {
        const { rules, shadow_rules } = typed_config as NetworkRbac;
        const names = (each: RbacRules = {}) => Object.keys(each.policies ?? {}).join(' ');
        return [rules?.action ?? shadow_rules?.action, names(rules), names(shadow_rules)];
      });
    const listener = listenerOf(resources, 'virtualInbound');
    // ALLOW is protobuf's default: without policies nobody is let in.
    const byPort = chainsOf(listener).map((chain) => [chain.filter_chain_match?.destination_port, checksOf(chain)]);
    expect(byPort).toEqual([
      [15006, []],
      [80, []],
      [
        5432,
        [
          ['DENY', 'default/a.1', ''],
          [undefined, '', ''],
        ],
      ],
      [
        undefined,
        [
          ['DENY', 'default/a.1', 'default/c.0 default/c.1'],
          [undefined, '', ''],
        ],
      ],
    ]);
    expect(JSON.stringify(listener.default_filter_chain)).toContain('{"or_rules":{"rules":[{"destination_port":1}');
  });

  test.for([
    ['gateway', gateway],
    ['workload', metadataOf({ service: 'web', address: '127.0.0.1' })],
    ['intercepted workload', metadataOf({ service: 'web', interceptionMode: 'REDIRECT', appPorts: [80, 9999] })],
  ] as const)('of a %s are accepted by a real Envoy', async ([, node], context) => {
    requirePeers(context, 'envoy');
    await expect(validateWithEnvoy(resourcesOfNode(node, push()))).resolves.toBeUndefined();
  });
});
