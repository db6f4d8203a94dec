/**
 * CheckRules as Envoy's RBAC filter: one filter for DENY rules and behind it one for ALLOW rules. They are in force where
 * requests arrive, in the workload's own sidecar or the gateway: what a client's sidecar would check, a client without one
 * would not be checked for.
 */
import { isIPv6 } from 'node:net';
import { isListOfAddresses, listedHeader, type CheckList } from '../../crds/check-rule.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  CidrRange,
  envoy_config_rbac_v3_RBAC as RbacRules,
  Permission,
  Policy,
  Principal,
  RBACPerRoute,
  RouteConfiguration,
} from '../../proxy/api/envoy.gen.ts';
import type { ResolvedMatch, ResolvedRule } from '../model/check-rules.ts';
import { authorizationFilterName } from './authorization.ts';
import { allowFilterName, allowStatPrefix, denyFilterName, denyStatPrefix } from './http-filters.ts';
import { buildAbsenceMatcher, buildHeaderMatcher } from './route-match.ts';

type FilterConfigs = NonNullable<RouteConfiguration['typed_per_filter_config']>;

const extAuthzPerRouteType = typeUrlOf('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute');
const rbacPerRouteType = typeUrlOf('envoy.extensions.filters.http.rbac.v3.RBACPerRoute');

/** For a route configuration of an application's, or a gateway's, `port`; nothing where no rule is for it. */
export function buildCheckFilters(
  rules: readonly ResolvedRule[],
  port: number,
): Pick<RouteConfiguration, 'typed_per_filter_config'> {
  const configs: FilterConfigs = {};
  for (const { action, filterName } of actions) {
    const config = buildRbac(
      rules.filter((rule) => rule.action === action),
      action,
      port,
    );
    if (config !== undefined) configs[filterName] = { '@type': rbacPerRouteType, ...config };
  }
  for (const rule of rules) {
    if (rule.action !== 'CUSTOM' || rule.provider === undefined || buildPolicies(rule, port).length === 0) continue;
    const check_settings = { context_extensions: { rule: rule.name } };
    configs[authorizationFilterName(rule.provider)] ??= { '@type': extAuthzPerRouteType, check_settings };
  }
  return Object.keys(configs).length === 0 ? {} : { typed_per_filter_config: configs };
}

const actions = [
  { action: 'DENY', filterName: denyFilterName },
  { action: 'ALLOW', filterName: allowFilterName },
] as const;

type Action = (typeof actions)[number]['action'];

function buildRbac(rules: readonly ResolvedRule[], action: Action, port: number): RBACPerRoute | undefined {
  const enforced = rules.filter(({ isShadow }) => !isShadow);
  const isTried = enforced.length < rules.length;
  if (rules.length === 0) return undefined;
  // One more ALLOW rule is tried beside those that are in force: alone it would let nobody else in.
  const tried = action === 'ALLOW' ? rules : rules.filter(({ isShadow }) => isShadow);
  const prefix = action === 'DENY' ? denyStatPrefix : allowStatPrefix;
  return {
    rbac: {
      ...(enforced.length === 0 ? {} : { rules: buildRules(enforced, action, port) }),
      ...(isTried ? { shadow_rules: buildRules(tried, action, port) } : {}),
      rules_stat_prefix: prefix,
      shadow_rules_stat_prefix: prefix,
      track_per_rule_stats: true,
    },
  };
}

function buildRules(rules: readonly ResolvedRule[], action: Action, port: number): RbacRules {
  return { action, policies: Object.fromEntries(rules.flatMap((rule) => buildPolicies(rule, port))) };
}

/** Each match is a policy: only so permissions and principals go together. */
function buildPolicies({ name, matches }: ResolvedRule, port: number): [string, Policy][] {
  if (matches.length === 0) return [[name, { permissions: [{ any: true }], principals: [{ any: true }] }]];
  return matches.flatMap((match, index): [string, Policy][] => {
    const { ports } = match.match;
    if (ports !== undefined && !ports.includes(port)) return [];
    const policy = { permissions: [allPermissions(match)], principals: [allPrincipals(match)] };
    return [[matches.length === 1 ? name : `${name}.${index}`, policy]];
  });
}

function allPermissions({ match, listValues }: ResolvedMatch): Permission {
  const { methods, paths, headers = {}, withoutHeaders = {}, lists = [] } = match;
  const rules: Permission[] = [
    ...(methods === undefined ? [] : [anyPermission(methods.map(methodPermission))]),
    ...(paths === undefined ? [] : [anyPermission(paths.map(pathPermission))]),
    ...Object.entries(headers).map(([name, value]) => ({ header: buildHeaderMatcher(name, value) })),
    ...Object.entries(withoutHeaders).map(([name, value]) => ({ header: buildAbsenceMatcher(name, value) })),
    ...lists.flatMap((list, i) => (isListOfAddresses(list) ? [] : [listPermission(list, listValues[i] ?? [])])),
  ];
  const [first, second] = rules;
  if (first === undefined) return { any: true };
  return second === undefined ? first : { and_rules: { rules } };
}

/** None of none: nothing is in an empty list. */
function anyPermission(rules: Permission[]): Permission {
  const [first, second] = rules;
  if (first === undefined) return { not_rule: { any: true } };
  return second === undefined ? first : { or_rules: { rules } };
}

function methodPermission(method: string): Permission {
  return { header: buildHeaderMatcher(':method', { exact: method }) };
}

function pathPermission({
  exact,
  prefix,
  regex = '',
}: {
  exact?: string;
  prefix?: string;
  regex?: string;
}): Permission {
  if (exact !== undefined) return { url_path: { path: { exact } } };
  return { url_path: { path: prefix === undefined ? { safe_regex: { regex } } : { prefix } } };
}

function listPermission(list: CheckList, values: readonly string[]): Permission {
  const header = listedHeader(list);
  const listed = anyPermission(
    values.map((value) => {
      if (header !== undefined) return { header: buildHeaderMatcher(header, { exact: value }) };
      return list.attribute === 'path' ? pathPermission({ exact: value }) : methodPermission(value);
    }),
  );
  return list.not === true ? { not_rule: listed } : listed;
}

function allPrincipals({ match, workloadAddresses, listValues }: ResolvedMatch): Principal {
  const { source = {}, lists = [] } = match;
  const { ipBlocks, notIpBlocks, remoteIpBlocks, notRemoteIpBlocks } = source;
  const ids: Principal[] = [
    ...(workloadAddresses === undefined ? [] : [anyAddress('direct_remote_ip', workloadAddresses)]),
    ...(ipBlocks === undefined ? [] : [anyAddress('direct_remote_ip', ipBlocks)]),
    ...(notIpBlocks === undefined ? [] : [{ not_id: anyAddress('direct_remote_ip', notIpBlocks) }]),
    ...(remoteIpBlocks === undefined ? [] : [anyAddress('remote_ip', remoteIpBlocks)]),
    ...(notRemoteIpBlocks === undefined ? [] : [{ not_id: anyAddress('remote_ip', notRemoteIpBlocks) }]),
    ...lists.flatMap((list, i) => (isListOfAddresses(list) ? [listPrincipal(list, listValues[i] ?? [])] : [])),
  ];
  const [first, second] = ids;
  if (first === undefined) return { any: true };
  return second === undefined ? first : { and_ids: { ids } };
}

function listPrincipal({ attribute, not }: CheckList, values: readonly string[]): Principal {
  const listed = anyAddress(attribute === 'source.ip' ? 'direct_remote_ip' : 'remote_ip', values);
  return not === true ? { not_id: listed } : listed;
}

function anyAddress(kind: 'direct_remote_ip' | 'remote_ip', blocks: readonly string[]): Principal {
  const ids = blocks.map((block): Principal => ({ [kind]: rangeOf(block) }));
  const [first, second] = ids;
  if (first === undefined) return { not_id: { any: true } };
  return second === undefined ? first : { or_ids: { ids } };
}

function rangeOf(block: string): CidrRange {
  const [address_prefix = '', length] = block.split('/');
  const whole = isIPv6(address_prefix) ? 128 : 32;
  return { address_prefix, prefix_len: length === undefined ? whole : Number(length) };
}
