/** What is answered to whom RBAC rules refuse, beside a real Envoy. */
import { describe, expect, test } from 'vitest';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import type { HttpFilter, LocalResponsePolicy, RouteConfiguration } from '../../../proxy/api/envoy.gen.ts';
import { routeConfiguration, routeTo } from '../../support/envoy-json.ts';
import { besideEnvoy, type FilterSetting, type StartFilter, startInHeddle } from '../../support/filter-beside-envoy.ts';

const customResponseType = typeUrlOf('envoy.extensions.filters.http.custom_response.v3.CustomResponse');
const rbacType = typeUrlOf('envoy.extensions.filters.http.rbac.v3.RBAC');

const says = (key: string, exact: string) => ({
  single_predicate: {
    input: {
      name: 'input',
      typed_config: {
        '@type': typeUrlOf('envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput'),
        filter: 'envoy.filters.http.rbac',
        path: [{ key }],
      },
    },
    custom_match: {
      name: 'matcher',
      typed_config: {
        '@type': typeUrlOf('envoy.extensions.matching.input_matchers.metadata.v3.Metadata'),
        value: { string_match: { exact } },
      },
    },
  },
});

const answer = (response: LocalResponsePolicy) => ({
  action: {
    name: 'answer',
    typed_config: {
      '@type': typeUrlOf('envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy'),
      ...response,
    },
  },
});

const denied = says('rules.enforced_engine_result', 'denied');
const byPolicy = (policy: string) => ({
  and_matcher: { predicate: [denied, says('rules.enforced_effective_policy_id', policy)] },
});

const header = (key: string, value: string) => ({
  header: { key, value },
  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' as const,
});

const matchers = [
  {
    predicate: byPolicy('legal'),
    on_match: answer({
      status_code: 451,
      body: { inline_string: '100 % \u00fcber' },
      response_headers_to_add: [header('link', '<x>; 100%%'), header('content-type', 'text/html')],
    }),
  },
  { predicate: byPolicy('quiet'), on_match: answer({}) },
  {
    predicate: byPolicy('login'),
    on_match: answer({ status_code: 302, response_headers_to_add: [header('location', '/login')] }),
  },
  { predicate: byPolicy('empty'), on_match: answer({ status_code: 401 }) },
];

const denies = (prefix: string) => ({
  permissions: [{ url_path: { path: { prefix } } }],
  principals: [{ any: true }],
});

const rbac: HttpFilter = {
  name: 'rbac',
  typed_config: {
    '@type': rbacType,
    rules_stat_prefix: 'rules.',
    rules: {
      action: 'DENY',
      policies: Object.fromEntries(
        ['legal', 'quiet', 'login', 'empty', 'plain'].map((name) => [name, denies(`/${name}`)]),
      ),
    },
  },
};

const custom: HttpFilter = {
  name: 'custom',
  typed_config: { '@type': customResponseType, custom_response_matcher: { matcher_list: { matchers } } },
};

/** What `/legal` is answered on routes that say so. */
const ofRoute = {
  '@type': customResponseType,
  custom_response_matcher: {
    matcher_list: { matchers: [{ predicate: denied, on_match: answer({ status_code: 410 }) }] },
  },
};
const routes: RouteConfiguration = routeConfiguration([
  {
    ...routeTo('application'),
    match: { prefix: '/', headers: [{ name: 'x-gone', present_match: true }] },
    typed_per_filter_config: { custom: ofRoute },
  },
  routeTo('application'),
]);

const startFilters = (start: StartFilter): Promise<FilterSetting> => start({ filters: [custom, rbac], routes });

describe('who is refused', () => {
  besideEnvoy('is answered with the status, the body and the headers that the policy has', async (start) => {
    const { ask } = await startFilters(start);
    const { status, body, headers } = await ask({ path: '/legal' });
    expect({ status, body }).toEqual({ status: 451, body: '100 % \u00fcber' });
    expect(headers).toMatchObject({ link: '<x>; 100%', 'content-type': 'text/html', 'content-length': '11' });
    expect((await ask({ method: 'HEAD', path: '/legal' })).status).toBe(451);
  });

  besideEnvoy(
    'is answered plainly where the policy says no more, and by the policy only where it is its policy',
    async (start) => {
      const { ask } = await startFilters(start);
      expect(await ask({ path: '/quiet' })).toMatchObject({ status: 403, body: '' });
      expect(await ask({ path: '/empty' })).toMatchObject({ status: 401, body: '' });
      expect((await ask({ path: '/login' })).headers).toMatchObject({ location: '/login' });
      expect(await ask({ path: '/plain' })).toMatchObject({ status: 403, body: 'RBAC: access denied' });
      expect((await ask({ path: '/' })).status).toBe(200);
    },
  );

  besideEnvoy('is answered as the route says, one by one on a connection', async (start) => {
    const { ask } = await startFilters(start);
    expect((await ask({ path: '/legal' })).status).toBe(451);
    expect(await ask({ path: '/legal', headers: { 'x-gone': '1' } })).toMatchObject({ status: 410, body: '' });
    expect((await ask({ headers: { 'x-gone': '1' } })).status).toBe(200);
    expect((await ask({ path: '/legal' })).status).toBe(451);
  });

  besideEnvoy('by gRPC is answered with a gRPC status', async (start) => {
    const { ask } = await startFilters(start);
    const headers = { 'content-type': 'application/grpc' };
    const legal = await ask({ method: 'POST', path: '/legal', headers });
    expect(legal).toMatchObject({ status: 200, body: '' });
    expect(legal.headers).toMatchObject({
      'content-type': 'application/grpc',
      'grpc-status': '2',
      'grpc-message': '100 %25 %C3%BCber',
      link: '<x>; 100%',
    });
    const plain = await ask({ method: 'POST', path: '/plain', headers });
    expect(plain.headers).toMatchObject({ 'grpc-status': '7', 'grpc-message': 'RBAC: access denied' });
  });
});

describe('the sidecar itself', () => {
  test('refuses to replace what is no refusal, and to be told of refusals too late', async () => {
    const matcher = { predicate: says('rules.shadow_engine_result', 'denied'), on_match: answer({}) };
    const other = {
      ...custom,
      typed_config: { '@type': customResponseType, custom_response_matcher: { matcher_list: { matchers: [matcher] } } },
    };
    await expect(startInHeddle({ filters: [other, rbac] })).rejects.toThrow(
      'enforced_engine_result of RBAC is "denied"',
    );
    await expect(startInHeddle({ filters: [rbac, custom] })).rejects.toThrow('custom_response in front of the RBAC');
  });
});
