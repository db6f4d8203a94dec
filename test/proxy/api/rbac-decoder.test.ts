import { describe, expect, test } from 'vitest';
import type {
  envoy_extensions_filters_http_rbac_v3_RBAC as Rbac,
  envoy_extensions_filters_network_rbac_v3_RBAC as NetworkRbac,
  ExtAuthz,
  Permission,
  Principal,
} from '../../../proxy/api/envoy.gen.ts';
import { readExtAuthz } from '../../../proxy/api/ext-authz-decoder.ts';
import { decodeFields } from '../../../proxy/api/fields.ts';
import { readNetworkRbac, readRbac } from '../../../proxy/api/rbac-decoder.ts';

const faultsOf = (rbac: Rbac): string[] =>
  (decodeFields(rbac, '', readRbac).errors ?? []).map(({ path, message }) => `${path}: ${message}`);

const rbacOf = (permission: Permission, principal: Principal = { any: true }): Rbac => ({
  rules: { policies: { a: { permissions: [permission], principals: [principal] } } },
});

const permissionAt = 'rules.policies.a.permissions[0]';

describe('RBAC rules', () => {
  test('are asked in the order of the names of their policies', () => {
    const policy = { permissions: [{ any: true }], principals: [{ any: true }] };
    const decoded = decodeFields(
      { rules: { action: 'DENY', policies: { b: policy, a: policy, B: policy } } },
      '',
      readRbac,
    );
    expect(decoded.value?.rules?.policies.map(({ name }) => name)).toEqual(['B', 'a', 'b']);
  });

  test.each<[string, Rbac, string]>([
    ['that only log', { rules: { action: 'LOG' } }, 'rules.action: '],
    ['with a matcher tree', { matcher: {} }, 'matcher: is not supported'],
    [
      'without permissions',
      { rules: { policies: { a: { principals: [{ any: true }] } } } },
      'rules.policies.a.permissions: must have at least one',
    ],
    ['with an empty list', rbacOf({ and_rules: {} }), `${permissionAt}.and_rules.rules: must have at least one`],
    ['with nothing to match', rbacOf({}), `${permissionAt}: must have a condition that is supported`],
    ['of metadata', rbacOf({ metadata: { filter: 'a' } }), `${permissionAt}.metadata: is not supported`],
    [
      'of certificates',
      rbacOf({ any: true }, { authenticated: {} }),
      'rules.policies.a.principals[0].authenticated: is not supported',
    ],
    [
      'of an address that is none',
      rbacOf({ any: true }, { direct_remote_ip: { address_prefix: 'a' } }),
      'rules.policies.a.principals[0].direct_remote_ip.address_prefix: must be an IP address',
    ],
    [
      'of a regex that is none',
      rbacOf({ url_path: { path: { safe_regex: { regex: '(?=a)' } } } }),
      `${permissionAt}.url_path.path.safe_regex.regex: `,
    ],
  ])('%s are refused', (_, rbac, fault) => {
    expect(faultsOf(rbac).some((text) => text.startsWith(fault))).toBe(true);
  });
});

describe('RBAC rules for connections', () => {
  const faults = (rbac: NetworkRbac): string[] =>
    (decodeFields(rbac, '', readNetworkRbac).errors ?? []).map(({ path, message }) => `${path}: ${message}`);
  const header = { header: { name: 'a', present_match: true } };
  test.each<[string, NetworkRbac, string]>([
    ['without a name for statistics', {}, 'stat_prefix: must be set'],
    [
      'that are asked again and again',
      { stat_prefix: 'a', enforcement_type: 'CONTINUOUS' },
      'enforcement_type: "CONTINUOUS" is not supported, only "ONE_TIME_ON_FIRST_BYTE" is',
    ],
    [
      'of requests',
      { stat_prefix: 'a', ...rbacOf({ and_rules: { rules: [{ any: true }, { not_rule: header }] } }) },
      'rules: must have no header and no url_path: a connection has none',
    ],
  ])('%s are refused', (_, rbac, fault) => {
    expect(faults(rbac)).toContain(fault);
  });
});

describe('an ext_authz filter', () => {
  const grpc_service = { envoy_grpc: { cluster_name: 'a' } };
  test.each<[string, ExtAuthz, string]>([
    ['without a service', {}, 'grpc_service: must be set'],
    ['over HTTP', { grpc_service, http_service: {} }, 'http_service: is not supported'],
    [
      'that wants bodies without bytes',
      { grpc_service, with_request_body: {} },
      'with_request_body.max_request_bytes: must be from 1 to 9007199254740991, got 0',
    ],
    ['that routes anew', { grpc_service, clear_route_cache: true }, 'clear_route_cache: is not supported'],
    ['for a part of the requests', { grpc_service, filter_enabled: {} }, 'filter_enabled: is not supported'],
    [
      'for what metadata do not say',
      { grpc_service, filter_enabled_metadata: { filter: 'a', path: [{ key: 'b' }], invert: true, value: {} } },
      'filter_enabled_metadata.invert: true is not supported, only false is',
    ],
  ])('%s is refused', (_, config, fault) => {
    const { errors = [] } = decodeFields(config, '', (fields) => readExtAuthz(fields, false));
    expect(errors.map(({ path, message }) => `${path}: ${message}`)).toContain(fault);
  });
});
