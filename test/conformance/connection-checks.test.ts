/** Rules for connections beside a real Envoy: the same filters, the same clients, and who is served. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  Bootstrap,
  CidrRange,
  envoy_config_rbac_v3_RBAC as RbacRules,
  envoy_extensions_filters_network_rbac_v3_RBAC as NetworkRbac,
  Expr,
  Permission,
  Principal,
} from '../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../support/closing.ts';
import { staticCluster, tcpChain, tcpListener } from '../support/envoy-json.ts';
import { startEnvoy } from '../support/envoy.ts';
import { createProxy } from '../support/in-process-proxy.ts';
import { eventually } from '../support/mesh.ts';
import { requirePeers } from '../support/peers.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/turns.ts';
import { unusedPort } from '../support/unused-port.ts';

let sidecar: 'heddle' | 'envoy' = 'heddle';

const rbacFilter = (config: NetworkRbac, name = 'rbac') => ({
  name,
  typed_config: { '@type': typeUrlOf('envoy.extensions.filters.network.rbac.v3.RBAC'), stat_prefix: 'tcp', ...config },
});

const range = (address_prefix: string, prefix_len: number): CidrRange => ({ address_prefix, prefix_len });
const from = (...ranges: CidrRange[]): Principal[] => ranges.map((direct_remote_ip) => ({ direct_remote_ip }));
const local = range('127.0.0.0', 8);
const far = range('10.0.0.0', 8);

function rules(
  action: 'ALLOW' | 'DENY',
  principals: Principal[],
  { permissions = [{ any: true }], condition }: { permissions?: Permission[]; condition?: Expr } = {},
): RbacRules {
  return {
    action,
    policies: { 'shop/a': { permissions, principals, ...(condition === undefined ? {} : { condition }) } },
  };
}

async function start(build: (port: number) => readonly NetworkRbac[]) {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-connection-checks-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  const [port, admin] = [await unusedPort(), await unusedPort()];
  const { filters: [proxy] = [] } = tcpChain({ cluster: 'backend' });
  const filters = [...build(port).map((config, i) => rbacFilter(config, `rbac.${i}`)), proxy ?? { name: '' }];
  const path = join(folder, 'log');
  const log = {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': typeUrlOf('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
      path,
      log_format: { text_format_source: { inline_string: '%CONNECTION_TERMINATION_DETAILS%\n' } },
    },
  };
  const bootstrap: Bootstrap = {
    node: { id: 'test', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    static_resources: {
      listeners: [
        {
          ...tcpListener({ proxy: { cluster: 'backend' } }),
          filter_chains: [{ filters }],
          access_log: [log],
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
        },
      ],
      clusters: [staticCluster('backend', [backend.port])],
    },
  };
  const text = JSON.stringify(bootstrap);
  if (sidecar === 'envoy') await startEnvoy(join(folder, 'envoy.json'), text, admin);
  else await createProxy(text).start();
  return {
    backend,
    /** Whether a client's bytes come to the backend. */
    isServed: async (): Promise<boolean> => {
      const client = closeAfterTest(await RawClient.connect(port));
      client.send('PING');
      const heard = () => backend.connections.some(({ received }) => received.includes('PING'));
      await until(() => client.isOver || heard());
      const isServed = heard();
      client.end();
      await client.untilOver();
      backend.connections.length = 0;
      return isServed;
    },
    stats: async (): Promise<Record<string, number>> => {
      const { body } = await request(`http://127.0.0.1:${admin}/stats`);
      const lines = (await body.text()).split('\n').map((line) => line.split(': '));
      const found = lines.flatMap(([name = '', value]) =>
        name.startsWith('tcp.') && name.includes('rbac.') && Number(value) > 0 ? [[name, Number(value)] as const] : [],
      );
      return Object.fromEntries(found);
    },
    lines: (): Promise<string[]> =>
      eventually(async () => {
        const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
        return lines.length > 0 ? lines : undefined;
      }),
  };
}

describe.each(['heddle', 'envoy'] as const)('%s: connections', (name) => {
  beforeEach((context) => {
    if (name === 'envoy') requirePeers(context, 'envoy');
    sidecar = name;
  });

  test.each<[string, (port: number) => readonly NetworkRbac[], boolean]>([
    ['that no rule denies are served', () => [{ rules: rules('DENY', from(far)) }], true],
    ['that a rule denies are not', () => [{ rules: rules('DENY', from(far, local)) }], false],
    ['that no rule allows are not', () => [{ rules: rules('ALLOW', from(far)) }], false],
    [
      'that all filters let through are served',
      () => [{ rules: rules('DENY', from(far)) }, { rules: rules('ALLOW', from(local)) }],
      true,
    ],
    [
      'that the second filter denies are not',
      () => [{ rules: rules('DENY', from(far)) }, { rules: rules('ALLOW', from(far)) }],
      false,
    ],
    [
      'from elsewhere than a rule says are denied',
      () => [{ rules: rules('DENY', [{ not_id: from(far)[0] ?? {} }]) }],
      false,
    ],
    [
      'of many conditions need all of them',
      () => [{ rules: rules('DENY', [{ and_ids: { ids: from(local, far) } }]) }],
      true,
    ],
    [
      'to the port of a rule are denied',
      (port) => [{ rules: rules('DENY', [{ any: true }], { permissions: [{ destination_port: port }] }) }],
      false,
    ],
    [
      'to another port are served',
      (port) => [{ rules: rules('DENY', [{ any: true }], { permissions: [{ destination_port: port + 1 }] }) }],
      true,
    ],
    [
      'to the address of a rule are denied',
      () => [
        {
          rules: rules('DENY', [{ any: true }], {
            permissions: [{ or_rules: { rules: [{ destination_ip: far }, { destination_ip: local }] } }],
          }),
        },
      ],
      false,
    ],
    ['without policies are allowed by none', () => [{ rules: { action: 'ALLOW' } }], false],
  ])('%s', async (_, build, expected) => {
    const { isServed } = await start(build);
    expect(await isServed()).toBe(expected);
  });

  test('are denied as long as a rule holds', async () => {
    const time: Expr = { select_expr: { operand: { ident_expr: { name: 'request' } }, field: 'time' } };
    const before = (text: string): Expr => ({
      call_expr: {
        function: '_<_',
        args: [time, { call_expr: { function: 'timestamp', args: [{ const_expr: { string_value: text } }] } }],
      },
    });
    const until = (text: string) => () => [{ rules: rules('DENY', from(local), { condition: before(text) }) }];
    expect(await (await start(until('2020-01-01T00:00:00Z'))).isServed()).toBe(true);
    expect(await (await start(until('2999-01-01T00:00:00Z'))).isServed()).toBe(false);
  });

  test('are counted, and what the shadow would say too; the log says who denied', async () => {
    const shadow = { shadow_rules: rules('DENY', from(local)), shadow_rules_stat_prefix: 'trial.' };
    const { isServed, stats, lines } = await start(() => [
      { ...shadow, rules: rules('DENY', from(far)) },
      { rules: rules('DENY', from(local)), stat_prefix: 'tcp.second' },
    ]);
    expect(await isServed()).toBe(false);
    expect(await stats()).toEqual({
      'tcp.rbac.allowed': 1,
      'tcp.rbac.trial.shadow_denied': 1,
      'tcp.second.rbac.denied': 1,
    });
    expect(await lines()).toEqual(['rbac_access_denied_matched_policy[shop/a]']);
  });
});
