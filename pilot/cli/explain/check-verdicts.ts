/**
 * What the check rules at the destination say about a request. Addresses are not known here: of who asks, labels and
 * namespace are, which is what the rules' addresses stand for.
 */
import { type CheckMatch, type CheckRuleSpec, isListOfAddresses } from '../../../crds/check-rule.ts';
import type { envoy_extensions_filters_http_rbac_v3_RBAC as Rbac } from '../../../proxy/api/envoy.gen.ts';
import { decodeFields } from '../../../proxy/api/fields.ts';
import type { RbacPolicy } from '../../../proxy/api/rbac.ts';
import { readRbac } from '../../../proxy/api/rbac-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { someOf } from '../../../proxy/filter/rbac-conditions.ts';
import { compileTimeCondition } from '../../../proxy/filter/time-conditions.ts';
import type { RequestHead } from '../../../proxy/http/message-head.ts';
import { withoutQuery } from '../../../proxy/router/request-path.ts';
import type { ResolvedMatch, ResolvedRule } from '../../model/check-rules.ts';
import type { PushContext } from '../../model/push-context.ts';
import { isSelected } from '../../model/workload.ts';
import { buildPolicies } from '../../networking/check-policies.ts';
import type { ExplainClient, InForce } from './explanation.ts';

export interface CheckedRequest {
  readonly head: RequestHead;
  readonly client: ExplainClient;
  /** Where it goes, and the port of the service there. */
  readonly destination: { readonly host: string; readonly port: number };
  readonly nowMs: number;
}

/** One line for each rule, DENY rules first, as they are asked. */
export function explainChecks(request: CheckedRequest, { config, checks }: PushContext): InForce[] {
  const { host, port } = request.destination;
  const service = config.services.find(host);
  const [, namespace = ''] = host.split('.');
  const rules = checks.for({ namespace, labels: service?.selector ?? {}, hostnames: [host] });
  const appPort = service?.ports.find(({ number }) => number === port)?.targetPort ?? port;
  return (['DENY', 'ALLOW', 'CUSTOM'] as const).flatMap((action) =>
    rules
      .filter((rule) => rule.action === action)
      .map((rule) => ({ what: 'check rule', how: describe(rule, { ...request, appPort }) })),
  );
}

type Asked = CheckedRequest & { readonly appPort: number };

const verdicts: Readonly<Record<CheckRuleSpec['action'], string>> = {
  ALLOW: 'allows it',
  DENY: 'denies it',
  CUSTOM: 'asks its provider',
};

function describe(rule: ResolvedRule, asked: Asked): string {
  const { name, action, matches, denyWith, isShadow } = rule;
  const shadow = isShadow ? ' (only counted)' : '';
  const answer = action === 'DENY' ? `, with ${denyWith?.status ?? 403}` : '';
  const judged = matches.map((match) => judge(match, rule, asked));
  const isMeant = matches.length === 0 || judged.some(({ misses, doubts }) => misses.length + doubts.length === 0);
  if (isMeant) return `${name} ${action}: ${verdicts[action]}${answer}${shadow}`;
  const doubts = judged.find(({ misses }) => misses.length === 0)?.doubts;
  if (doubts !== undefined)
    return `${name} ${action}: ${verdicts[action]}${answer} if ${doubts.join(' and ')}${shadow}`;
  const misses = judged.map((each) => each.misses.join(', '));
  return `${name} ${action}: does not match: ${misses.join('; ')}${shadow}`;
}

interface Judged {
  /** What does not hold. */
  readonly misses: readonly string[];
  /** What may hold. */
  readonly doubts: readonly string[];
}

function judge(resolved: ResolvedMatch, rule: ResolvedRule, asked: Asked): Judged {
  const { match, listValues } = resolved;
  const misses: string[] = [];
  const { source, ports, lists, ...parts } = match;
  if (ports?.includes(asked.appPort) === false) misses.push(`the port is ${asked.appPort}`);
  for (const [key, value] of Object.entries(parts)) {
    if (!holds({ [key]: value }, [], rule, asked)) misses.push(missOf(key, asked));
  }
  const doubts: string[] = [];
  for (const [index, list] of (lists ?? []).entries()) {
    if (isListOfAddresses(list)) doubts.push(`${list.attribute} is${list.not === true ? ' not' : ''} in its list`);
    else if (!holds({ lists: [list] }, [listValues[index] ?? []], rule, asked)) misses.push(`lists[${index}]`);
  }
  judgeSource(source ?? {}, asked.client, { misses, doubts });
  return { misses, doubts };
}

function missOf(key: string, { head, nowMs }: Asked): string {
  if (key === 'methods') return `the method is ${head.method}`;
  if (key === 'paths') return `the path is ${withoutQuery(head.path)}`;
  return key === 'time' ? `it is ${new Date(nowMs).toISOString()}` : key;
}

function judgeSource(
  { namespaces, labels, services, ...addresses }: NonNullable<CheckMatch['source']>,
  client: ExplainClient,
  { misses, doubts }: { readonly misses: string[]; readonly doubts: string[] },
): void {
  if (namespaces?.includes(client.namespace) === false) misses.push(`the client is of namespace ${client.namespace}`);
  if (labels !== undefined && !isSelected(client.labels, labels)) misses.push('the client has other labels');
  if (services !== undefined) doubts.push(`the client is of ${services.join(' or ')}`);
  for (const [key, blocks] of Object.entries(addresses)) doubts.push(`${key} ${blocks.join(' ')} hold`);
}

/** One condition, in the words that the proxy is told and as it understands them. */
function holds(
  match: CheckMatch,
  listValues: readonly (readonly string[])[],
  rule: ResolvedRule,
  asked: Asked,
): boolean {
  const only = { ...rule, matches: [{ match, workloadAddresses: undefined, listValues }] };
  const json: Rbac = { rules: { policies: Object.fromEntries(buildPolicies(only, asked.appPort)) } };
  const policies = requireValue(decodeFields(json, '', readRbac), 'rules of pilot').rules?.policies ?? [];
  return policies.some((policy) => isMatching(policy, asked));
}

function isMatching({ permissions, condition }: RbacPolicy, { head, nowMs }: Asked): boolean {
  return someOf(permissions)({ request: head }) && (condition === undefined || compileTimeCondition(condition)(nowMs));
}
