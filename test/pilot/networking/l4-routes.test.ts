import { describe, expect, test } from 'vitest';
import type { TcpProxy } from '../../../proxy/api/envoy.gen.ts';
import { chainsOf, describeChains, listenerOf, resourcesOfNode, tcpProxyOf } from './interception.ts';
import { contextOf, destinationRuleYaml, entryYaml, metadataOf, serviceYaml } from './scenario.ts';

const service = (name: string, address: string, ports: string): string =>
  serviceYaml(name, { ports }).replace('spec: {', `spec: { clusterIP: ${address},`);

/** `db` at 10.96.0.1 and `other` at 10.96.0.2 speak TCP at 5432; `secret` at 10.96.0.3 speaks TLS at 443. */
const mesh =
  service('db', '10.96.0.1', '[{ name: tcp, port: 5432 }]') +
  service('other', '10.96.0.2', '[{ name: tcp, port: 6000 }, { name: tcp-b, port: 5432 }]') +
  service('secret', '10.96.0.3', '[{ name: https, port: 443 }]');

const rule = (spec: string, { name = 'rules', hosts = '[db]', more = '' } = {}): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec: { hosts: ${hosts}, ${more} ${spec} }
`;

const to = (host: string, more = ''): string => `route: [{ destination: { host: ${host} ${more} } }]`;

const chains = (yaml: string, name = '10.96.0.1_5432', labels: Record<string, string> = {}): string[] =>
  describeChains(listenerOf(resourcesFor(yaml, labels), name));

const resourcesFor = (yaml: string, labels: Record<string, string> = {}) =>
  resourcesOfNode(metadataOf({ interceptionMode: 'REDIRECT', labels }), contextOf(mesh + yaml));

const proxyOf = (yaml: string, name = '10.96.0.1_5432'): TcpProxy | undefined => {
  const [chain] = chainsOf(listenerOf(resourcesFor(yaml), name));
  return chain && tcpProxyOf(chain);
};

const db = 'outbound|5432||db.default.svc.cluster.local';
const other = 'outbound|5432||other.default.svc.cluster.local';

describe('TCP rules', () => {
  test('S20: without a rule connections go to all workloads of the service', () => {
    expect(chains('')).toEqual([`any -> ${db}`]);
    expect(proxyOf('')).toMatchObject({ stat_prefix: db, cluster: db });
  });

  test('S1: the first that applies takes the connection', () => {
    expect(chains(rule(`tcp: [{ ${to('other')} }, { ${to('db')} }]`))).toEqual([`any -> ${other}`]);
  });

  test('S2: of the matches of one rule any may hold', () => {
    expect(chains(rule(`tcp: [{ match: [{ port: 1 }, { port: 5432 }], ${to('other')} }]`))).toEqual([
      `any -> ${other}`,
    ]);
  });

  test('S4: of two VirtualServices for one host the oldest counts', () => {
    const yaml = rule(`tcp: [{ ${to('other')} }]`) + rule(`tcp: [{ ${to('db')} }]`, { name: 'newer' });
    expect(chains(yaml)).toEqual([`any -> ${other}`]);
  });

  test('S5: a match is for the clients that it names by label and namespace', () => {
    const yaml = rule(`tcp: [{ match: [{ sourceLabels: { app: shop } }], ${to('other')} }]`);
    expect(chains(yaml, undefined, { app: 'shop' })).toEqual([`any -> ${other}`]);
    expect(chains(yaml, undefined, { app: 'bank' })).toEqual([`any -> ${db}`]);
    expect(chains(rule(`tcp: [{ match: [{ sourceNamespace: default }], ${to('other')} }]`))).toEqual([
      `any -> ${other}`,
    ]);
    expect(chains(rule(`tcp: [{ match: [{ sourceNamespace: else }], ${to('other')} }]`))).toEqual([`any -> ${db}`]);
  });

  test('S5: a match that names other gateways is not for sidecars; one that names mesh still asks for labels', () => {
    const more = 'gateways: [mesh, edge],';
    const match = (text: string) => rule(`tcp: [{ match: [{ ${text} }], ${to('other')} }]`, { more });
    expect(chains(match('gateways: [edge]'))).toEqual([`any -> ${db}`]);
    expect(chains(match('gateways: [mesh]'))).toEqual([`any -> ${other}`]);
    expect(chains(match('gateways: [mesh], sourceLabels: { app: shop }'))).toEqual([`any -> ${db}`]);
    expect(chains(rule(`tcp: [{ ${to('other')} }]`, { more: 'gateways: [edge],' }))).toEqual([`any -> ${db}`]);
  });

  test('S6: a match of another port is not for this listener', () => {
    const yaml = rule(`tcp: [{ match: [{ port: 6000 }], ${to('db')} }]`, { hosts: '[other]' });
    expect(chains(yaml, '10.96.0.2_6000')).toEqual([`any -> ${db}`]);
    expect(chains(yaml, '10.96.0.2_5432')).toEqual([`any -> ${other}`]);
  });

  test('S15: weights are relative, a weight of nothing gets nothing, a single destination gets all', () => {
    const route = (a: number, b: number) =>
      rule(
        `tcp: [{ route: [{ destination: { host: db }, weight: ${a} }, { destination: { host: other }, weight: ${b} }] }]`,
      );
    expect(chains(route(3, 1))).toEqual([`any -> 3 ${db}, 1 ${other}`]);
    expect(proxyOf(route(3, 1))?.stat_prefix).toBe('rules.default');
    expect(chains(route(0, 1))).toEqual([`any -> ${other}`]);
    expect(chains(rule('tcp: [{ route: [{ destination: { host: other }, weight: 0 }] }]'))).toEqual([
      `any -> ${other}`,
    ]);
  });

  test("S16: a destination without a port is the service's only one, else the listener's", () => {
    expect(chains(rule(`tcp: [{ ${to('secret')} }]`))).toEqual([
      'any -> outbound|443||secret.default.svc.cluster.local',
    ]);
    expect(chains(rule(`tcp: [{ ${to('other', ', port: { number: 6000 }')} }]`))).toEqual([
      'any -> outbound|6000||other.default.svc.cluster.local',
    ]);
  });

  test('lead to subsets', () => {
    const subsets = destinationRuleYaml('{ host: db, subsets: [{ name: v2, labels: { version: v2 } }] }');
    const yaml = subsets + rule(`tcp: [{ ${to('db', ', subset: v2')} }]`);
    const name = 'outbound|5432|v2|db.default.svc.cluster.local';
    expect(chains(yaml)).toEqual([`any -> ${name}`]);
    expect(resourcesFor(yaml).clusters.map((cluster) => cluster.name)).toContain(name);
  });

  test('may be about some addresses: the others go to the service', () => {
    const match = 'match: [{ destinationSubnets: [10.96.0.0/16] }, { destinationSubnets: ["fd00::/8", 10.9.9.9] }]';
    expect(chains(rule(`tcp: [{ ${match}, ${to('other')} }]`))).toEqual([
      `10.9.9.9/32 10.96.0.0/16 fd00::/8 -> ${other}`,
      `any -> ${db}`,
    ]);
  });

  test('about the same addresses twice are decided by the first: Envoy would refuse both', () => {
    const match = 'match: [{ destinationSubnets: [10.0.0.0/8] }]';
    expect(chains(rule(`tcp: [{ ${match}, ${to('other')} }, { ${match}, ${to('db')} }]`))).toEqual([
      `10.0.0.0/8 -> ${other}`,
      `any -> ${db}`,
    ]);
  });

  test('about addresses of which some are taken get the others: Envoy would refuse one address twice', () => {
    const match = (...subnets: string[]) => `match: [{ destinationSubnets: [${subnets.join()}] }]`;
    const routes = [
      `{ ${match('10.0.0.0/8')}, ${to('other')} }`,
      `{ ${match('10.9.9.9/8', '11.0.0.0/8', '12.0.0.0/8')}, ${to('db')} }`,
    ];
    expect(chains(rule(`tcp: [${routes.join()}]`))).toEqual([
      `10.0.0.0/8 -> ${other}`,
      `11.0.0.0/8 -> ${db}`,
      `12.0.0.0/8 -> ${db}`,
      `any -> ${db}`,
    ]);
  });

  test("replace a service's block of addresses, and stand beside it when they name others", () => {
    const block = entryYaml(
      'block',
      'hosts: [block.example.com], addresses: [10.1.0.0/16], resolution: STATIC',
      '{ number: 7000, name: tcp, protocol: TCP }',
    );
    const ruled = (match: string) =>
      chains(block + rule(`tcp: [{ ${match} ${to('db')} }]`, { hosts: '[block.example.com]' }), '0.0.0.0_7000');
    expect(ruled('')).toEqual([`10.1.0.0/16 -> ${db}`, 'any -> PassthroughCluster']);
    expect(ruled('match: [{ destinationSubnets: [10.2.0.0/16] }],')).toEqual([
      `10.2.0.0/16 -> ${db}`,
      '10.1.0.0/16 -> outbound|7000||block.example.com',
      'any -> PassthroughCluster',
    ]);
    expect(ruled('match: [{ destinationSubnets: [10.1.0.0/16] }],')).toEqual([
      `10.1.0.0/16 -> ${db}`,
      'any -> PassthroughCluster',
    ]);
  });

  test('leave TLS and HTTP ports as they are', () => {
    const yaml = rule(`tcp: [{ ${to('db')} }]`, { hosts: '[secret]' });
    expect(chains(yaml, '10.96.0.3_443')).toEqual(['any -> outbound|443||secret.default.svc.cluster.local']);
  });

  test('hold for what is TCP by its first bytes', () => {
    const yaml = service('any', '10.96.0.4', '[{ port: 9000 }]') + rule(`tcp: [{ ${to('db')} }]`, { hosts: '[any]' });
    expect(chains(yaml, '10.96.0.4_9000')).toEqual([
      'http -> routes any.default.svc.cluster.local:9000',
      `any -> ${db}`,
    ]);
  });
});

describe('TLS rules', () => {
  const secret = 'outbound|443||secret.default.svc.cluster.local';
  const tls = (routes: string) => rule(`tls: ${routes}`, { hosts: '["*.example.com", secret]' });

  test('choose by SNI; what has another is let through', () => {
    const yaml = tls(
      `[{ match: [{ sniHosts: [b.example.com, a.example.com] }], ${to('db')} }, { match: [{ sniHosts: ["*.example.com"] }], ${to('other')} }]`,
    );
    expect(chains(yaml, '10.96.0.3_443')).toEqual([
      `a.example.com b.example.com -> ${db}`,
      '*.example.com -> outbound|443||other.default.svc.cluster.local',
      'any -> PassthroughCluster',
    ]);
    const listener = listenerOf(resourcesFor(yaml), '10.96.0.3_443');
    expect(listener.listener_filters?.map(({ name }) => name)).toEqual(['envoy.filters.listener.tls_inspector']);
  });

  test('S1: of two for one name the first that is for the client counts', () => {
    const match = (more: string) => `match: [{ sniHosts: [a.example.com] ${more} }]`;
    const yaml = tls(`[{ ${match(', sourceLabels: { app: shop }')}, ${to('db')} }, { ${match('')}, ${to('secret')} }]`);
    expect(chains(yaml, '10.96.0.3_443', { app: 'shop' })[0]).toBe(`a.example.com -> ${db}`);
    expect(chains(yaml, '10.96.0.3_443', { app: 'bank' })[0]).toBe(`a.example.com -> ${secret}`);
  });

  test('for several names get those that no rule before has', () => {
    const yaml = tls(
      `[{ match: [{ sniHosts: [a.example.com, b.example.com] }], ${to('db')} }, { match: [{ sniHosts: [B.example.com, c.example.com] }], ${to('secret')} }]`,
    );
    expect(chains(yaml, '10.96.0.3_443').slice(0, 2)).toEqual([
      `a.example.com b.example.com -> ${db}`,
      `c.example.com -> ${secret}`,
    ]);
  });

  test('of which none is for the client and port are as good as none', () => {
    const yaml = tls(`[{ match: [{ sniHosts: [a.example.com], port: 8443 }], ${to('db')} }]`);
    expect(chains(yaml, '10.96.0.3_443')).toEqual([`any -> ${secret}`]);
  });

  test('may be about some addresses', () => {
    const yaml = tls(`[{ match: [{ sniHosts: [a.example.com], destinationSubnets: [10.96.0.0/24] }], ${to('db')} }]`);
    expect(chains(yaml, '10.96.0.3_443')[0]).toBe(`10.96.0.0/24, a.example.com -> ${db}`);
  });
});

describe('policies of connections', () => {
  const policy = (host: string, spec: string) =>
    destinationRuleYaml(`{ host: ${host}, trafficPolicy: ${spec} }`, { name: host });
  const idle = (host: string, time: string) => policy(host, `{ connectionPool: { tcp: { idleTimeout: ${time} } } }`);

  test('without any idle connections are closed after an hour, as Envoy does', () => {
    expect(proxyOf('')).not.toHaveProperty('idle_timeout');
  });

  test('an idle timeout and a longest duration hold for all connections to the service', () => {
    const yaml = policy('db', '{ connectionPool: { tcp: { idleTimeout: 90s, maxConnectionDuration: 1h } } }');
    expect(proxyOf(yaml)).toMatchObject({ idle_timeout: '90s', max_downstream_connection_duration: '3600s' });
    expect(proxyOf(idle('db', '0s'))?.idle_timeout).toBe('0s');
  });

  test('D4: settings of a port replace those of the service', () => {
    const port = '{ port: { number: 5432 }, connectionPool: { tcp: { idleTimeout: 7s } } }';
    const yaml = policy('db', `{ connectionPool: { tcp: { idleTimeout: 90s } }, portLevelSettings: [${port}] }`);
    expect(proxyOf(yaml)?.idle_timeout).toBe('7s');
  });

  test('D3: those of a subset hold where a rule names it', () => {
    const subsets =
      '[{ name: v2, labels: { version: v2 }, trafficPolicy: { connectionPool: { tcp: { idleTimeout: 7s } } } }]';
    const yaml = destinationRuleYaml(`{ host: db, subsets: ${subsets} }`);
    expect(proxyOf(yaml)).not.toHaveProperty('idle_timeout');
    expect(proxyOf(yaml + rule(`tcp: [{ ${to('db', ', subset: v2')} }]`))?.idle_timeout).toBe('7s');
  });

  test("D10: with several destinations the idle timeout is that of the first one's rule", () => {
    const route = 'route: [{ destination: { host: other }, weight: 10 }, { destination: { host: db }, weight: 90 }]';
    const rules = idle('db', '90s') + idle('other', '7s') + rule(`tcp: [{ ${route} }]`);
    expect(proxyOf(rules)?.idle_timeout).toBe('7s');
  });

  test('hashing by source address is asked of the connection', () => {
    const yaml = policy('db', '{ loadBalancer: { consistentHash: { useSourceIp: true } } }');
    expect(proxyOf(yaml)?.hash_policy).toEqual([{ source_ip: {} }]);
  });

  describe('a tunnel', () => {
    const tunnel = (protocol: string): string =>
      `tunnel: { ${protocol === '' ? '' : `protocol: ${protocol},`} targetHost: far.example.com, targetPort: 443 }`;
    const subsets = `subsets: [{ name: v1, trafficPolicy: { ${tunnel('POST')} } }, { name: v2 }]`;
    const both = destinationRuleYaml(`{ host: db, trafficPolicy: { ${tunnel('')} }, ${subsets} }`);
    const byConnect = { hostname: 'far.example.com:443' };
    const byPost = { hostname: 'far.example.com:443', use_post: true };

    test('is asked of the host, with and without a rule, by CONNECT unless POST is wanted', () => {
      expect(proxyOf(policy('db', `{ ${tunnel('')} }`))?.tunneling_config).toEqual(byConnect);
      expect(proxyOf(policy('db', `{ ${tunnel('POST')} }`))?.tunneling_config).toEqual(byPost);
      const routed = rule(`tcp: [{ ${to('other')} }]`) + policy('other', `{ ${tunnel('CONNECT')} }`);
      expect(proxyOf(routed)?.tunneling_config).toEqual(byConnect);
      expect(proxyOf('')).not.toHaveProperty('tunneling_config');
    });

    test('has its target in brackets where that is an IPv6 address', () => {
      const yaml = policy('db', '{ tunnel: { targetHost: "fd00::1", targetPort: 443 } }');
      expect(proxyOf(yaml)?.tunneling_config).toEqual({ hostname: '[fd00::1]:443' });
    });

    test('of a TLS rule and of a TLS port is asked of the host too', () => {
      const secret = policy('secret', `{ ${tunnel('')} }`);
      expect(proxyOf(secret, '10.96.0.3_443')?.tunneling_config).toEqual(byConnect);
    });

    test('of a subset is its own or none, and with several destinations the one of the rule', () => {
      expect(proxyOf(rule(`tcp: [{ ${to('db', ', subset: v1')} }]`) + both)?.tunneling_config).toEqual(byPost);
      expect(proxyOf(rule(`tcp: [{ ${to('db', ', subset: v2')} }]`) + both)).not.toHaveProperty('tunneling_config');
      const halves = ['v1', 'v2'].map((name) => `{ destination: { host: db, subset: ${name} }, weight: 50 }`);
      const split = rule(`tcp: [{ route: [${halves.join()}] }]`) + both;
      expect(proxyOf(split)?.tunneling_config).toEqual(byConnect);
    });

    test('is the same for all ports', () => {
      const ports = `portLevelSettings: [{ port: { number: 5432 }, connectionPool: { tcp: { idleTimeout: 5s } } }]`;
      expect(proxyOf(policy('db', `{ ${tunnel('')}, ${ports} }`))?.tunneling_config).toEqual(byConnect);
    });
  });
});
