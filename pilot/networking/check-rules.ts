/**
 * CheckRules as Envoy's RBAC filter: one filter for DENY rules and behind it one for ALLOW rules. They are in force where
 * requests arrive, in the workload's own sidecar or the gateway: what a client's sidecar would check, a client without one
 * would not be checked for.
 */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  envoy_config_rbac_v3_RBAC as RbacRules,
  RBACPerRoute,
  RouteConfiguration,
} from '../../proxy/api/envoy.gen.ts';
import type { ResolvedRule } from '../model/check-rules.ts';
import { askedStatPrefix, askingFilterName, authorizationFilterName } from './authorization.ts';
import { buildPolicies } from './check-policies.ts';
import { buildDenials } from './denials.ts';
import {
  allowFilterName,
  allowStatPrefix,
  customResponseFilterName,
  denyFilterName,
  denyStatPrefix,
} from './http-filters.ts';

type FilterConfigs = NonNullable<RouteConfiguration['typed_per_filter_config']>;

const customResponseType = typeUrlOf('envoy.extensions.filters.http.custom_response.v3.CustomResponse');
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
  const denials = buildDenials(rules, port);
  if (denials !== undefined) configs[customResponseFilterName] = { '@type': customResponseType, ...denials };
  Object.assign(configs, buildQuestions(rules, port));
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

/** For each provider the requests that it is asked about: shadow rules find them, and its filter looks at what they say. */
function buildQuestions(rules: readonly ResolvedRule[], port: number): FilterConfigs {
  const configs: FilterConfigs = {};
  const asking = rules.filter((rule) => rule.action === 'CUSTOM' && buildPolicies(rule, port).length > 0);
  for (const provider of new Set(asking.flatMap((rule) => rule.provider ?? []))) {
    const about = asking.filter((rule) => rule.provider === provider);
    const prefix = askedStatPrefix(provider);
    const rbac = {
      shadow_rules: buildRules(about, 'DENY', port),
      shadow_rules_stat_prefix: prefix,
      track_per_rule_stats: true,
    };
    configs[askingFilterName(provider)] = { '@type': rbacPerRouteType, rbac };
    const check_settings = { context_extensions: { rule: about.map(({ name }) => name).join(',') } };
    configs[authorizationFilterName(provider)] = { '@type': extAuthzPerRouteType, check_settings };
  }
  return configs;
}
