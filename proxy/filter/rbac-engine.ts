/**
 * The rules of an RBAC filter, compiled: what becomes of a subject, a request or a connection, with Envoy's statistics and
 * what Envoy tells of it in dynamic metadata (docs, http_filters/rbac_filter).
 */
import type { RbacCondition, RbacRules } from '../api/rbac.ts';
import { MeshError } from '../common/errors.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { MetadataEntry } from '../http/dynamic-metadata.ts';
import { compileTimeCondition, type TimePredicate } from './time-conditions.ts';

/** How the engine looks at a subject. */
export interface SubjectView<S> {
  /** Whether one of the conditions holds. */
  someOf(conditions: readonly RbacCondition[]): (subject: S) => boolean;
  /** Unix milliseconds. */
  startTimeMs(subject: S): number;
}

export interface Counting {
  readonly stats: StatsStore;
  /** Of the names of all statistics, and of the last word of each. */
  readonly statPrefix: string;
  readonly shadow: '' | 'shadow_';
  /** Of the keys of metadata. */
  readonly metadataPrefix: string;
  readonly tracksPolicies: boolean;
}

/** What becomes of a subject, and what filters behind and access logs are told. Made once, not per subject. */
export interface Verdict {
  readonly metadata: MetadataEntry;
  /** Undefined: it passes. */
  readonly denial: MeshError | undefined;
}

interface CompiledPolicy<S> {
  readonly permits: (subject: S) => boolean;
  readonly isMeant: (subject: S) => boolean;
  readonly isInTime: TimePredicate | undefined;
  readonly verdict: Verdict;
  readonly counter: Stat | undefined;
}

export class RbacEngine<S> {
  readonly #view: SubjectView<S>;
  readonly #policies: readonly CompiledPolicy<S>[];
  readonly #unmatched: Verdict;
  readonly #allowed: Stat;
  readonly #denied: Stat;

  constructor({ action, policies }: RbacRules, view: SubjectView<S>, counting: Counting) {
    const { stats, statPrefix, shadow, tracksPolicies } = counting;
    const isAllowing = action === 'ALLOW';
    this.#view = view;
    this.#allowed = stats.counter(`${statPrefix}${shadow}allowed`);
    this.#denied = stats.counter(`${statPrefix}${shadow}denied`);
    this.#unmatched = verdictBy(undefined, !isAllowing, counting);
    const word = `${shadow}${isAllowing ? 'allowed' : 'denied'}`;
    this.#policies = policies.map(({ name, permissions, principals, condition }) => ({
      permits: view.someOf(permissions),
      isMeant: view.someOf(principals),
      isInTime: condition && compileTimeCondition(condition),
      verdict: verdictBy(name, isAllowing, counting),
      counter: tracksPolicies ? stats.counter(`${statPrefix}policy.${name}.${word}`) : undefined,
    }));
  }

  /** Counts the verdict too. */
  judge(subject: S): Verdict {
    const policy = this.#find(subject);
    if (policy?.counter !== undefined) policy.counter.value += 1;
    const verdict = policy?.verdict ?? this.#unmatched;
    (verdict.denial === undefined ? this.#allowed : this.#denied).value += 1;
    return verdict;
  }

  #find(subject: S): CompiledPolicy<S> | undefined {
    for (const policy of this.#policies) {
      const { permits, isMeant, isInTime } = policy;
      if (!permits(subject) || !isMeant(subject)) continue;
      if (isInTime === undefined || isInTime(this.#view.startTimeMs(subject))) return policy;
    }
    return undefined;
  }
}

/** Details are one word, as in Envoy. */
function verdictBy(policy: string | undefined, isAllowed: boolean, { metadataPrefix }: Counting): Verdict {
  const values = new Map([[`${metadataPrefix}engine_result`, isAllowed ? 'allowed' : 'denied']]);
  if (policy !== undefined) values.set(`${metadataPrefix}effective_policy_id`, policy);
  const metadata = { namespace: rbacNamespace, values };
  if (isAllowed) return { metadata, denial: undefined };
  const reason = policy === undefined ? 'no policy allows it' : `policy ${policy} denies it`;
  const details = `rbac_access_denied_matched_policy[${(policy ?? 'none').replace(/\s/g, '_')}]`;
  return { metadata, denial: new MeshError('forbidden', `RBAC: access denied, ${reason}`, { details }) };
}

/** Whatever the filter is called. */
const rbacNamespace = 'envoy.filters.http.rbac';

/** Envoy puts a dot behind a prefix of statistics that does not end with one. */
export function ended(prefix: string): string {
  return prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
}
