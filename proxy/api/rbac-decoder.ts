/** Decodes `envoy.extensions.filters.http.rbac.v3.RBAC`, the one for connections, and the rules inside. */
import type {
  envoy_config_rbac_v3_RBAC as RulesJson,
  envoy_extensions_filters_http_rbac_v3_RBAC as RbacJson,
  envoy_extensions_filters_network_rbac_v3_RBAC as NetworkRbacJson,
  Permission as PermissionJson,
  Policy as PolicyJson,
  Principal as PrincipalJson,
  RBACPerRoute as PerRouteJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { readRange } from './filter-chain-match-decoder.ts';
import type { NetworkRbacConfig, RbacCondition, RbacConfig, RbacPolicy, RbacRules } from './rbac.ts';
import { readHeaderMatch, readStringMatcher } from './route-match-decoder.ts';
import { readTimeCondition } from './time-condition-decoder.ts';

export function readRbac(fields: Fields<RbacJson>): RbacConfig {
  const rules = fields.message('rules');
  const shadowRules = fields.message('shadow_rules');
  return {
    kind: 'rbac',
    rules: rules && readRules(rules),
    shadowRules: shadowRules && readRules(shadowRules),
    rulesStatPrefix: fields.text('rules_stat_prefix'),
    shadowRulesStatPrefix: fields.text('shadow_rules_stat_prefix'),
    tracksPolicies: fields.flag('track_per_rule_stats'),
  };
}

/** Without `rbac` the filter does nothing there. */
export function readRbacPerRoute(fields: Fields<PerRouteJson>): RbacConfig {
  const rbac = fields.message('rbac');
  return rbac === undefined ? passesAll : readRbac(rbac);
}

export function readNetworkRbac(fields: Fields<NetworkRbacJson>): NetworkRbacConfig {
  fields.only('enforcement_type', 'ONE_TIME_ON_FIRST_BYTE');
  const read = (key: 'rules' | 'shadow_rules'): RbacRules | undefined => {
    const message = fields.message(key);
    const rules = message && readRules(message);
    const isOfRequests = rules?.policies.some(({ permissions, principals }) =>
      [...permissions, ...principals].some(isOfRequest),
    );
    if (isOfRequests === true) fields.fail(key, 'must have no header and no url_path: a connection has none');
    return rules;
  };
  return {
    rules: read('rules'),
    shadowRules: read('shadow_rules'),
    statPrefix: fields.name('stat_prefix'),
    shadowRulesStatPrefix: fields.text('shadow_rules_stat_prefix'),
  };
}

function isOfRequest(condition: RbacCondition): boolean {
  if ('conditions' in condition) return condition.conditions.some(isOfRequest);
  if (condition.kind === 'not') return isOfRequest(condition.condition);
  return condition.kind === 'header' || condition.kind === 'url_path';
}

const passesAll: RbacConfig = {
  kind: 'rbac',
  rules: undefined,
  shadowRules: undefined,
  rulesStatPrefix: '',
  shadowRulesStatPrefix: '',
  tracksPolicies: false,
};

function readRules(fields: Fields<RulesJson>): RbacRules {
  const action = fields.choice('action', ['ALLOW', 'DENY']);
  const policies = fields.message('policies');
  return { action, policies: policies === undefined ? [] : readPolicies(policies) };
}

/** Envoy asks them in the order of their names, by bytes. */
function readPolicies(fields: Fields<Record<string, PolicyJson>>): RbacPolicy[] {
  return fields
    .keys()
    .map((name): RbacPolicy => {
      const policy = fields.required(name);
      const permissions = policy.list('permissions', readPermission);
      const principals = policy.list('principals', readPrincipal);
      if (permissions.length === 0) policy.fail('permissions', 'must have at least one');
      if (principals.length === 0) policy.fail('principals', 'must have at least one');
      const condition = policy.message('condition');
      return { name, permissions, principals, condition: condition && readTimeCondition(condition) };
    })
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

function readPermission(fields: Fields<PermissionJson>): RbacCondition {
  const all = fields.message('and_rules');
  if (all !== undefined) return { kind: 'and', conditions: notEmpty(all, 'rules', readPermission) };
  const some = fields.message('or_rules');
  if (some !== undefined) return { kind: 'or', conditions: notEmpty(some, 'rules', readPermission) };
  const not = fields.message('not_rule');
  if (not !== undefined) return { kind: 'not', condition: readPermission(not) };
  const address = fields.message('destination_ip');
  if (address !== undefined) return { kind: 'destination_ip', range: readRange(address) };
  if (fields.has('destination_port')) {
    return { kind: 'destination_port', port: fields.number('destination_port', { defaultValue: 0, max: 65_535 }) };
  }
  return readShared(fields);
}

function readPrincipal(fields: Fields<PrincipalJson>): RbacCondition {
  const all = fields.message('and_ids');
  if (all !== undefined) return { kind: 'and', conditions: notEmpty(all, 'ids', readPrincipal) };
  const some = fields.message('or_ids');
  if (some !== undefined) return { kind: 'or', conditions: notEmpty(some, 'ids', readPrincipal) };
  const not = fields.message('not_id');
  if (not !== undefined) return { kind: 'not', condition: readPrincipal(not) };
  for (const kind of ['direct_remote_ip', 'remote_ip'] as const) {
    const address = fields.message(kind);
    if (address !== undefined) return { kind, range: readRange(address) };
  }
  return readShared(fields);
}

type SharedJson = Pick<PermissionJson & PrincipalJson, 'any' | 'header' | 'url_path'>;

function readShared(fields: Fields<SharedJson>): RbacCondition {
  const header = fields.message('header');
  if (header !== undefined) return { kind: 'header', match: readHeaderMatch(header) };
  const path = fields.message('url_path');
  if (path !== undefined) return { kind: 'url_path', matcher: readStringMatcher(path.required('path')) };
  // Envoy takes no other value.
  if (fields.has('any')) fields.only('any', true);
  else fields.failHere('must have a condition that is supported');
  return { kind: 'any' };
}

function notEmpty<T extends object>(
  fields: Fields<T>,
  key: Parameters<Fields<T>['list']>[0],
  read: (item: never) => RbacCondition,
): RbacCondition[] {
  const conditions = fields.list(key, read as never) as RbacCondition[];
  if (conditions.length === 0) fields.fail(key, 'must have at least one');
  return conditions;
}
