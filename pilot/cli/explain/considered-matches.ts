/** Which rules were asked in which order, and why those in front of the one that was taken did not match. */
import type { HTTPMatchRequest } from '../../../crds/virtual-service.ts';
import type { Route as DecodedRoute } from '../../../proxy/api/route.ts';
import type { RequestHead } from '../../../proxy/http/message-head.ts';
import { compileConditions } from '../../../proxy/router/route-match.ts';
import { describeMismatch } from '../../../proxy/router/route-mismatch.ts';
import { isMadeForRelease } from '../../model/canaries.ts';
import { originOf } from '../../model/rule-origin.ts';
import type { RouteContext } from '../../networking/route-context.ts';
import { type PlannedRoute, planRoutes } from '../../networking/routes.ts';
import { failedSourceCondition } from '../../networking/source-match.ts';
import type { ConsideredMatch } from './explanation.ts';
import type { MeshView } from './mesh-view.ts';

export interface MatchInput {
  readonly context: RouteContext;
  /** As the proxy decoded them: one for each match that is in force, in order. */
  readonly routes: readonly DecodedRoute[];
  /** Index of the route that was taken, -1 when none was. */
  readonly takenIndex: number;
  readonly head: RequestHead;
  readonly view: MeshView;
}

export function considerMatches(input: MatchInput): ConsideredMatch[] {
  const { context, routes, takenIndex, head } = input;
  let next = 0;
  let catchAll: ConsideredMatch | undefined;
  return planRoutes(context).map((planned) => {
    const place = placeOf(planned, input);
    if (planned.fate === 'unreachable') {
      return { ...place, verdict: 'unreachable', reason: `${nameOf(catchAll)} takes every request that comes so far` };
    }
    if (planned.fate === 'not for this client') {
      const reason = planned.match === undefined ? '' : describeSource(planned.match, context);
      return { ...place, verdict: 'not for this client', reason };
    }
    const index = next++;
    const considered = { ...place, ...judge(index, { takenIndex, route: routes[index], head }) };
    catchAll = considered;
    return considered;
  });
}

interface Judged {
  readonly takenIndex: number;
  readonly route: DecodedRoute | undefined;
  readonly head: RequestHead;
}

function judge(index: number, { takenIndex, route, head }: Judged): Pick<ConsideredMatch, 'verdict' | 'reason'> {
  if (index === takenIndex) return { verdict: 'taken', reason: 'all conditions hold' };
  if (takenIndex >= 0 && index > takenIndex) return { verdict: 'not asked', reason: 'an earlier rule was taken' };
  const reason = route && describeMismatch(compileConditions(route.match), head);
  return { verdict: 'no match', reason: reason ?? 'no condition fails' };
}

function placeOf(planned: PlannedRoute, { context, view }: MatchInput): Omit<ConsideredMatch, 'verdict' | 'reason'> {
  const { rules } = context;
  const { rule, match } = planned;
  const origin = originOf(rule);
  const index = origin?.rootIndex ?? (rules.spec.http ?? []).indexOf(rule);
  const matchIndex = match && (rule.match ?? []).indexOf(match);
  const root = `${rules.metadata.namespace}/${rules.metadata.name}`;
  // A rule that was made for a release is written nowhere but there.
  const isMade = isMadeForRelease(rules);
  const owner = { kind: isMade ? 'Canary' : 'VirtualService', name: origin?.delegate ?? root };
  const path = `spec.http[${origin?.delegate === undefined ? index : origin.delegateIndex}]`;
  const release = origin?.release;
  // Matches of delegates and of test users are merged with the rule's: their indexes are not those that were written.
  const isWritten = matchIndex !== undefined && origin?.delegate === undefined && release?.isForTestUsers !== true;
  return {
    rule: index,
    ruleName: rule.name || undefined,
    match: matchIndex,
    matchName: match?.name || undefined,
    delegate: origin?.delegate,
    canary: release?.canary,
    isForTestUsers: release?.isForTestUsers ?? false,
    delegateRule: origin?.delegate === undefined ? undefined : origin.delegateIndex,
    place: view.locate(owner, isMade ? '' : isWritten ? `${path}.match[${matchIndex}]` : path),
  };
}

/** `rule 2 "canary", match 1`, counted from zero as in `http[2].match[1]`. */
export function nameOf(considered: ConsideredMatch | undefined): string {
  if (considered === undefined) return 'an earlier rule';
  const { rule, ruleName, match, matchName, delegate, isForTestUsers, canary } = considered;
  const quoted = (name: string | undefined): string => (name === undefined ? '' : ` "${name}"`);
  const part = match === undefined ? '' : ` match[${match}]${quoted(matchName)}`;
  const owner = delegate === undefined ? '' : ` of delegate ${delegate}`;
  return `http[${rule}]${quoted(ruleName)}${part}${owner}${isForTestUsers ? `, test users of Canary ${canary}` : ''}`;
}

function describeSource(match: HTTPMatchRequest, context: RouteContext): string {
  const { client, port } = context;
  switch (failedSourceCondition(match, context)) {
    case 'port':
      return `port: expected ${match.port}, the request is for ${port}`;
    case 'gateways':
      return `gateways: expected ${match.gateways?.join(', ')}, this is a sidecar (mesh)`;
    case 'sourceNamespace':
      return `sourceNamespace: expected ${match.sourceNamespace}, the client is in ${client.namespace}`;
    case 'sourceLabels':
      return `sourceLabels: expected ${labelText(match.sourceLabels)}, the client has ${labelText(client.labels)}`;
    case undefined:
      return '';
  }
}

function labelText(labels: Readonly<Record<string, string>> = {}): string {
  return (
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',') || 'none'
  );
}
