/** What CheckRules answer to whom they deny, as Envoy's custom response filter: it looks at what the RBAC filters say. */
import type { DenyWith } from '../../crds/check-rule.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  CustomResponse,
  LocalResponsePolicy,
  Matcher_MatcherList_FieldMatcher as FieldMatcher,
  Matcher_MatcherList_Predicate as Predicate,
} from '../../proxy/api/envoy.gen.ts';
import type { ResolvedRule } from '../model/check-rules.ts';
import { buildPolicies } from './check-policies.ts';
import { allowStatPrefix, denyStatPrefix } from './http-filters.ts';

const inputType = typeUrlOf('envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput');
const matcherType = typeUrlOf('envoy.extensions.matching.input_matchers.metadata.v3.Metadata');
const responseType = typeUrlOf('envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy');

/** Undefined where plain answers will do. */
export function buildDenials(rules: readonly ResolvedRule[], port: number): CustomResponse | undefined {
  const inForce = rules.filter(({ isShadow }) => !isShadow);
  const matchers = inForce.flatMap((rule) => {
    const { action, denyWith } = rule;
    return action !== 'DENY' || denyWith === undefined ? [] : buildDenialsBy(rule, denyWith, port);
  });
  // Whom no rule allows is denied by all of them: the oldest has the word.
  const allowing = inForce.find(({ action, denyWith }) => action === 'ALLOW' && denyWith !== undefined);
  if (allowing?.denyWith !== undefined) matchers.push(buildDenial([isDenied(allowStatPrefix)], allowing.denyWith));
  return matchers.length === 0 ? undefined : { custom_response_matcher: { matcher_list: { matchers } } };
}

function buildDenialsBy(rule: ResolvedRule, denyWith: DenyWith, port: number): FieldMatcher[] {
  return buildPolicies(rule, port).map(([policy]) =>
    buildDenial([isDenied(denyStatPrefix), says(`${denyStatPrefix}enforced_effective_policy_id`, policy)], denyWith),
  );
}

function isDenied(prefix: string): Predicate {
  return says(`${prefix}enforced_engine_result`, 'denied');
}

function says(key: string, exact: string): Predicate {
  const input = { '@type': inputType, filter: 'envoy.filters.http.rbac', path: [{ key }] };
  const matcher = { '@type': matcherType, value: { string_match: { exact } } };
  return {
    single_predicate: {
      input: { name: 'envoy.matching.inputs.dynamic_metadata', typed_config: input },
      custom_match: { name: 'envoy.matching.matchers.metadata_matcher', typed_config: matcher },
    },
  };
}

/** Envoy wants two alternatives at least where there are any. */
function buildDenial(predicates: readonly [Predicate, ...Predicate[]], denyWith: DenyWith): FieldMatcher {
  const [first] = predicates;
  const response = { '@type': responseType, ...buildResponse(denyWith) };
  return {
    predicate: predicates.length === 1 ? first : { and_matcher: { predicate: [...predicates] } },
    on_match: { action: { name: 'deny_with', typed_config: response } },
  };
}

function buildResponse({ status = 403, message = '', headers = {} }: DenyWith): LocalResponsePolicy {
  const added = Object.entries(headers).map(([key, value]) => ({
    // A percent sign would begin a variable.
    header: { key, value: value.replaceAll('%', '%%') },
    append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' as const,
  }));
  return {
    status_code: status,
    ...(message === '' ? {} : { body: { inline_string: message } }),
    ...(added.length === 0 ? {} : { response_headers_to_add: added }),
  };
}
