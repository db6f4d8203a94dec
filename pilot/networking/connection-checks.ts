/**
 * CheckRules for connections that carry no requests, as Envoy's RBAC filter for networks. A connection has no method, path
 * or header: a match that asks for one is never about it.
 */
import { isOfRequests } from '../../crds/check-rule.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  envoy_config_listener_v3_Filter as Filter,
  envoy_config_rbac_v3_RBAC as RbacRules,
  envoy_extensions_filters_network_rbac_v3_RBAC as NetworkRbac,
} from '../../proxy/api/envoy.gen.ts';
import type { ResolvedRule } from '../model/check-rules.ts';
import { buildPolicies } from './check-policies.ts';

const rbacType = typeUrlOf('envoy.extensions.filters.network.rbac.v3.RBAC');

const actions = [
  { action: 'DENY', words: 'deny' },
  { action: 'ALLOW', words: 'allow' },
] as const;

/** In front of what serves connections to an application's `port`; undefined: to ports that nobody declared. */
export function buildConnectionChecks(rules: readonly ResolvedRule[], port: number | undefined): Filter[] {
  return actions.flatMap(({ action, words }) => {
    const mine = rules.filter((rule) => rule.action === action);
    const enforced = mine.filter(({ isShadow }) => !isShadow);
    const tried = action === 'ALLOW' ? mine : mine.filter(({ isShadow }) => isShadow);
    const isTried = enforced.length < mine.length;
    // Whoever no ALLOW rule is about is not let in; a DENY rule that is about nobody need not be asked.
    const build = (of: readonly ResolvedRule[]): RbacRules | undefined => {
      const policies = buildPoliciesOf(of, port);
      return action === 'ALLOW' || Object.keys(policies).length > 0 ? { action, policies } : undefined;
    };
    const inForce = enforced.length === 0 ? undefined : build(enforced);
    const shadow_rules = isTried ? build(tried) : undefined;
    const config: NetworkRbac = {
      ...(inForce === undefined ? {} : { rules: inForce }),
      ...(shadow_rules === undefined ? {} : { shadow_rules }),
      stat_prefix: `tcp.${words}_rules`,
    };
    if (inForce === undefined && shadow_rules === undefined) return [];
    return [{ name: `envoy.filters.network.rbac.${words}`, typed_config: { '@type': rbacType, ...config } }];
  });
}

function buildPoliciesOf(rules: readonly ResolvedRule[], port: number | undefined): NonNullable<RbacRules['policies']> {
  return Object.fromEntries(rules.flatMap((rule) => buildPolicies(rule, port, ({ match }) => !isOfRequests(match))));
}
