/**
 * Envoy's `envoy.filters.http.rbac`: answers requests that its rules do not let through with 403, and counts what its
 * shadow rules would say. Everything is compiled when the configuration comes; nobody is asked.
 */
import type { RbacConfig, RbacRules } from '../api/rbac.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import type { HttpStream } from '../http/stream.ts';
import { type FilterContext, FilterSlot } from './filter-context.ts';
import { someOf, type StreamPredicate } from './rbac-conditions.ts';

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
    this.#stream.error = denial;
    this.#stream.sendDirectResponse(403, deniedBody, denial);
    return 'stop';
  }
}

const deniedBody = 'RBAC: access denied';

function compileRbac(config: RbacConfig, { stats, statPrefix }: FilterContext): CompiledRbac {
  const { rules, shadowRules, rulesStatPrefix, shadowRulesStatPrefix, tracksPolicies } = config;
  const compile = (each: RbacRules | undefined, prefix: string, shadow: string): CompiledRules | undefined =>
    each &&
    new CompiledRules(each, { stats, prefix: `http.${statPrefix}.rbac.${ended(prefix)}`, shadow, tracksPolicies });
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
  readonly prefix: string;
  readonly shadow: string;
  readonly tracksPolicies: boolean;
}

interface CompiledPolicy {
  readonly permits: StreamPredicate;
  readonly isMeant: StreamPredicate;
  readonly denial: MeshError;
  readonly counter: Stat | undefined;
}

/** Envoy's engine with Envoy's statistics (docs, http_filters/rbac_filter). */
class CompiledRules {
  readonly #isAllowing: boolean;
  readonly #policies: readonly CompiledPolicy[];
  readonly #unmatched = denialBy(undefined);
  readonly #allowed: Stat;
  readonly #denied: Stat;

  constructor({ action, policies }: RbacRules, { stats, prefix, shadow, tracksPolicies }: Counting) {
    this.#isAllowing = action === 'ALLOW';
    this.#allowed = stats.counter(`${prefix}${shadow}allowed`);
    this.#denied = stats.counter(`${prefix}${shadow}denied`);
    const verdict = `${shadow}${this.#isAllowing ? 'allowed' : 'denied'}`;
    this.#policies = policies.map(({ name, permissions, principals }) => ({
      permits: someOf(permissions),
      isMeant: someOf(principals),
      denial: denialBy(name),
      counter: tracksPolicies ? stats.counter(`${prefix}policy.${name}.${verdict}`) : undefined,
    }));
  }

  /** Counts the verdict. Why the request is not let through; undefined: it is. */
  judge(stream: HttpStream): MeshError | undefined {
    const policy = this.#find(stream);
    if (policy?.counter !== undefined) policy.counter.value += 1;
    const isAllowed = this.#isAllowing === (policy !== undefined);
    (isAllowed ? this.#allowed : this.#denied).value += 1;
    return isAllowed ? undefined : (policy?.denial ?? this.#unmatched);
  }

  #find(stream: HttpStream): CompiledPolicy | undefined {
    for (const policy of this.#policies) if (policy.permits(stream) && policy.isMeant(stream)) return policy;
    return undefined;
  }
}

/** Made once, not per request. Details are one word, as in Envoy. */
function denialBy(policy: string | undefined): MeshError {
  const reason = policy === undefined ? 'no policy allows it' : `policy ${policy} denies it`;
  const details = `rbac_access_denied_matched_policy[${(policy ?? 'none').replace(/\s/g, '_')}]`;
  return new MeshError('forbidden', `RBAC: access denied, ${reason}`, { details });
}
