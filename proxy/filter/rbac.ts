/**
 * Envoy's `envoy.filters.http.rbac`: answers requests that its rules do not let through with 403, and counts what its
 * shadow rules would say. Everything is compiled when the configuration comes; nobody is asked.
 */
import type { RbacConfig, RbacRules } from '../api/rbac.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { MetadataEntry } from '../http/dynamic-metadata.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import type { HttpStream } from '../http/stream.ts';
import { type FilterContext, FilterSlot } from './filter-context.ts';
import { someOf, type StreamPredicate } from './rbac-conditions.ts';
import { refuse } from './refusal.ts';
import { compileTimeCondition, type TimePredicate } from './time-conditions.ts';

interface CompiledRbac {
  readonly rules: CompiledRules | undefined;
  readonly shadowRules: CompiledRules | undefined;
}

export function createRbacFactory(context: FilterContext, filter: HttpFilterConfig): FilterFactory {
  const compile = (config: RbacConfig): CompiledRbac => compileRbac(config, context);
  const slot = new FilterSlot<'rbac', CompiledRbac>(context, filter, { kind: 'rbac', compile });
  return (stream) => new RbacFilter(stream, slot);
}

class RbacFilter implements HttpFilter {
  readonly #stream: HttpStream;
  readonly #slot: FilterSlot<'rbac', CompiledRbac>;

  constructor(stream: HttpStream, slot: FilterSlot<'rbac', CompiledRbac>) {
    this.#stream = stream;
    this.#slot = slot;
  }

  decodeHeaders(): FilterStatus {
    const rbac = this.#slot.configOf(this.#stream);
    if (rbac === undefined) return 'continue';
    rbac.shadowRules?.judge(this.#stream);
    const denial = rbac.rules?.judge(this.#stream);
    if (denial === undefined) return 'continue';
    refuse(this.#stream, { status: 403, body: deniedBody, error: denial });
    return 'stop';
  }
}

const deniedBody = 'RBAC: access denied';

function compileRbac(config: RbacConfig, { stats, statPrefix }: FilterContext): CompiledRbac {
  const { rules, shadowRules, rulesStatPrefix, shadowRulesStatPrefix, tracksPolicies } = config;
  const compile = (each: RbacRules | undefined, prefix: string, shadow: string): CompiledRules | undefined =>
    each &&
    new CompiledRules(each, {
      stats,
      statPrefix: `http.${statPrefix}.rbac.${ended(prefix)}`,
      metadataPrefix: `${prefix}${shadow || 'enforced_'}`,
      shadow,
      tracksPolicies,
    });
  return {
    rules: compile(rules, rulesStatPrefix, ''),
    shadowRules: compile(shadowRules, shadowRulesStatPrefix, 'shadow_'),
  };
}

/** Envoy puts a dot behind a prefix that does not end with one. */
function ended(prefix: string): string {
  return prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
}

interface Counting {
  readonly stats: StatsStore;
  /** Of the names of all statistics, and of the last word of each. */
  readonly statPrefix: string;
  readonly shadow: string;
  /** Of the keys of metadata. */
  readonly metadataPrefix: string;
  readonly tracksPolicies: boolean;
}

interface CompiledPolicy {
  readonly permits: StreamPredicate;
  readonly isMeant: StreamPredicate;
  readonly isInTime: TimePredicate | undefined;
  readonly verdict: Verdict;
  readonly counter: Stat | undefined;
}

/** What becomes of a request, told to access logs and to the filters behind. */
interface Verdict {
  readonly metadata: MetadataEntry;
  readonly denial: MeshError | undefined;
}

/** Envoy's engine with Envoy's statistics and dynamic metadata (docs, http_filters/rbac_filter). */
class CompiledRules {
  readonly #isAllowing: boolean;
  readonly #policies: readonly CompiledPolicy[];
  readonly #unmatched: Verdict;
  readonly #allowed: Stat;
  readonly #denied: Stat;

  constructor({ action, policies }: RbacRules, counting: Counting) {
    const { stats, statPrefix, shadow, tracksPolicies } = counting;
    this.#isAllowing = action === 'ALLOW';
    this.#allowed = stats.counter(`${statPrefix}${shadow}allowed`);
    this.#denied = stats.counter(`${statPrefix}${shadow}denied`);
    this.#unmatched = verdictBy(undefined, !this.#isAllowing, counting);
    const verdict = `${shadow}${this.#isAllowing ? 'allowed' : 'denied'}`;
    this.#policies = policies.map(({ name, permissions, principals, condition }) => ({
      permits: someOf(permissions),
      isMeant: someOf(principals),
      isInTime: condition && compileTimeCondition(condition),
      verdict: verdictBy(name, this.#isAllowing, counting),
      counter: tracksPolicies ? stats.counter(`${statPrefix}policy.${name}.${verdict}`) : undefined,
    }));
  }

  /** Counts and tells the verdict. Why the request is not let through; undefined: it is. */
  judge(stream: HttpStream): MeshError | undefined {
    const policy = this.#find(stream);
    if (policy?.counter !== undefined) policy.counter.value += 1;
    const { metadata, denial } = policy?.verdict ?? this.#unmatched;
    (denial === undefined ? this.#allowed : this.#denied).value += 1;
    stream.metadata.set(metadata);
    return denial;
  }

  #find(stream: HttpStream): CompiledPolicy | undefined {
    for (const policy of this.#policies) {
      const { permits, isMeant, isInTime } = policy;
      if (permits(stream) && isMeant(stream) && (isInTime === undefined || isInTime(startTimeMs(stream))))
        return policy;
    }
    return undefined;
  }
}

/** Time of day, in Unix milliseconds. */
function startTimeMs({ manager, startMs }: HttpStream): number {
  return manager.wallTimeMs(startMs);
}

/** Made once, not per request. Details are one word, as in Envoy. */
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
