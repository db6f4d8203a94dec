/** RBAC beside a real Envoy: the same rules, the same requests, and what becomes of them at each of the two. */
import { describe, expect, test } from 'vitest';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import type {
  envoy_config_rbac_v3_RBAC as RbacRules,
  envoy_extensions_filters_http_rbac_v3_RBAC as Rbac,
  Permission,
  Principal,
} from '../../../proxy/api/envoy.gen.ts';
import {
  besideEnvoy as besideEnvoyOf,
  type FilterSetting,
  type StartFilter,
  startInHeddle,
} from '../../support/filter-beside-envoy.ts';
import { routeConfiguration, routeTo } from '../../support/envoy-json.ts';
import type { Call } from '../../support/http-call.ts';

const name = 'envoy.filters.http.rbac';

/** `/off` is a route where the filter is replaced by one that does nothing. */
const perRoute = { [name]: { '@type': typeUrlOf('envoy.extensions.filters.http.rbac.v3.RBACPerRoute') } };
const routes = routeConfiguration([
  { ...routeTo('application'), match: { prefix: '/off' }, typed_per_filter_config: perRoute },
  routeTo('application'),
]);

interface Setting {
  readonly ask: FilterSetting['ask'];
  /** By what stands behind `http.test.rbac.`. */
  readonly stats: () => Promise<Record<string, number>>;
}

async function startRbac(start: StartFilter, rbac: Rbac): Promise<Setting> {
  const typed_config = { '@type': typeUrlOf('envoy.extensions.filters.http.rbac.v3.RBAC'), ...rbac };
  const { ask, stats } = await start({ filters: [{ name, typed_config }], routes });
  return { ask, stats: () => stats('http.test.rbac.') };
}

function besideEnvoy(title: string, body: (start: (rbac: Rbac) => Promise<Setting>) => Promise<void>): void {
  besideEnvoyOf(title, (start) => body((rbac) => startRbac(start, rbac)));
}

const anyPermission: Permission[] = [{ any: true }];
const anyPrincipal: Principal[] = [{ any: true }];
const denyWhere = (permissions: Permission[], principals = anyPrincipal): RbacRules => ({
  action: 'DENY',
  policies: { 'shop/rule': { permissions, principals } },
});
const header = (key: string, exact: string): Permission => ({ header: { name: key, string_match: { exact } } });

async function statuses({ ask }: Setting, calls: readonly Call[]): Promise<number[]> {
  const found: number[] = [];
  for (const details of calls) found.push((await ask(details)).status);
  return found;
}

describe('an RBAC rule', () => {
  besideEnvoy('denies with 403 and one sentence, and says nothing of policies to whom it lets pass', async (start) => {
    const setting = await start({ rules: denyWhere([{ url_path: { path: { prefix: '/admin' } } }]) });
    const { status, body, headers } = await setting.ask({ path: '/admin?x' });
    expect({ status, body, type: headers['content-type'] }).toEqual({
      status: 403,
      body: 'RBAC: access denied',
      type: 'text/plain',
    });
    const calls = [
      '/admin/a',
      '/./admin',
      '/a/../admin',
      '/%61dmin',
      '/administrator',
      '/Admin',
      '/off/../admin',
      '/off',
      '/a?/admin',
    ];
    expect(
      await statuses(
        setting,
        calls.map((path) => ({ path })),
      ),
    ).toEqual([403, 403, 403, 403, 403, 200, 403, 200, 200]);
    expect(await setting.stats()).toEqual({ allowed: 2, denied: 7 });
  });

  besideEnvoy('of methods and headers looks at them as routes do', async (start) => {
    const permissions: Permission[] = [
      { and_rules: { rules: [header(':method', 'DELETE'), { not_rule: header('x-role', 'admin') }] } },
      { or_rules: { rules: [header('x-user', 'a'), header('x-user', 'b'), header('host', 'bad.test')] } },
      { header: { name: 'x-debug', present_match: true } },
      { header: { name: 'x-only', string_match: { exact: 'a' }, invert_match: true } },
      {
        header: {
          name: 'x-pass',
          string_match: { exact: 'a' },
          invert_match: true,
          treat_missing_header_as_empty: true,
        },
      },
      { header: { name: 'x-tenant', string_match: { safe_regex: { regex: 't[0-9]+' } } } },
    ];
    const setting = await start({ rules: denyWhere(permissions) });
    const given: [Call, number][] = [
      [{ method: 'DELETE' }, 403],
      [{ method: 'DELETE', headers: { 'x-role': 'admin' } }, 200],
      [{ headers: { 'x-role': 'admin' } }, 200],
      [{ headers: { 'x-user': 'a' } }, 403],
      [{ headers: { 'x-user': 'b' } }, 403],
      [{ headers: { 'x-user': ['c', 'b'] } }, 403],
      [{ headers: { 'x-user': 'c,b' } }, 200],
      [{ headers: { 'x-only': 'a' } }, 200],
      [{ headers: { 'x-only': ['a', 'b'] } }, 200],
      [{ headers: { 'x-only': ['b', 'c'] } }, 403],
      [{ headers: { 'x-pass': '' } }, 403],
      [{ headers: { 'x-user': 'c' } }, 200],
      [{ host: 'bad.test' }, 403],
      [{ headers: { 'x-debug': '' } }, 403],
      [{ headers: { 'x-tenant': 't12' } }, 403],
      [{ headers: { 'x-tenant': 'at12' } }, 200],
    ];
    // Who does not say it must say it.
    const calls = given.map(([details, status]): [Call, number] => [
      { ...details, headers: { 'x-pass': 'a', ...details.headers } },
      status,
    ]);
    expect(
      await statuses(
        setting,
        calls.map(([details]) => details),
      ),
    ).toEqual(calls.map(([, status]) => status));
  });

  besideEnvoy('of addresses knows who connected and who is behind trusted proxies', async (start) => {
    const range = (address_prefix: string, prefix_len: number) => ({ address_prefix, prefix_len });
    const rules: RbacRules = {
      action: 'ALLOW',
      policies: {
        a: {
          permissions: [{ url_path: { path: { exact: '/direct' } } }],
          principals: [
            {
              or_ids: {
                ids: [{ direct_remote_ip: range('127.0.0.1', 32) }, { direct_remote_ip: range('10.0.0.1', 32) }],
              },
            },
          ],
        },
        b: {
          permissions: [{ url_path: { path: { exact: '/remote' } } }],
          principals: [
            {
              and_ids: {
                ids: [{ remote_ip: range('203.0.113.0', 24) }, { not_id: { remote_ip: range('203.0.113.9', 32) } }],
              },
            },
          ],
        },
        c: {
          permissions: [{ url_path: { path: { exact: '/not' } } }],
          principals: [{ not_id: { direct_remote_ip: range('127.0.0.0', 8) } }],
        },
      },
    };
    const setting = await start({ rules, track_per_rule_stats: true, rules_stat_prefix: 'allow_rules' });
    const from = (path: string, address: string): Call => ({ path, headers: { 'x-forwarded-for': address } });
    const calls = [
      { path: '/direct' },
      from('/direct', '9.9.9.9'),
      from('/remote', '203.0.113.7'),
      from('/remote', '203.0.113.9'),
      { path: '/remote' },
      { path: '/not' },
      { path: '/' },
    ];
    expect(await statuses(setting, calls)).toEqual([200, 200, 200, 403, 403, 403, 403]);
    expect(await setting.stats()).toEqual({
      'allow_rules.allowed': 3,
      'allow_rules.denied': 4,
      'allow_rules.policy.a.allowed': 2,
      'allow_rules.policy.b.allowed': 1,
    });
  });

  besideEnvoy('without policies lets nobody in, or everybody', async (start) => {
    expect(await statuses(await start({ rules: { action: 'ALLOW' } }), [{}, { path: '/off' }])).toEqual([403, 200]);
    expect(await statuses(await start({ rules: { action: 'DENY' } }), [{}])).toEqual([200]);
    expect(await statuses(await start({}), [{}])).toEqual([200]);
  });

  besideEnvoy('in the shadow only counts', async (start) => {
    const setting = await start({
      shadow_rules: denyWhere(anyPermission),
      shadow_rules_stat_prefix: 'trial',
      track_per_rule_stats: true,
    });
    expect(await statuses(setting, [{}, {}])).toEqual([200, 200]);
    expect(await setting.stats()).toEqual({ 'trial.policy.shop/rule.shadow_denied': 2, 'trial.shadow_denied': 2 });
  });
});

describe('the sidecar itself', () => {
  test('tells the policy that denied', async () => {
    const { ask } = await startRbac(startInHeddle, { rules: denyWhere(anyPermission) });
    expect((await ask({})).headers['x-heddle-reason']).toBe('- RBAC: access denied, policy shop/rule denies it');
    const { ask: askAllowing } = await startRbac(startInHeddle, { rules: { action: 'ALLOW' } });
    expect((await askAllowing({})).headers['x-heddle-reason']).toBe('- RBAC: access denied, no policy allows it');
  });
});
