/**
 * Envoy's `envoy.filters.http.rbac`: answers requests that its rules do not let through with 403, and counts what its
 * shadow rules would say. Everything is compiled when the configuration comes; nobody is asked.
 */
import type { RbacConfig, RbacRules } from '../api/rbac.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import type { HttpStream } from '../http/stream.ts';
import { type FilterContext, FilterSlot } from './filter-context.ts';
import { someOf } from './rbac-conditions.ts';
import { ended, RbacEngine, type SubjectView } from './rbac-engine.ts';
import { refuse } from './refusal.ts';

interface CompiledRbac {
  readonly rules: RbacEngine<HttpStream> | undefined;
  readonly shadowRules: RbacEngine<HttpStream> | undefined;
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
    const { metadata } = this.#stream;
    if (rbac.shadowRules !== undefined) metadata.set(rbac.shadowRules.judge(this.#stream).metadata);
    if (rbac.rules === undefined) return 'continue';
    const verdict = rbac.rules.judge(this.#stream);
    metadata.set(verdict.metadata);
    if (verdict.denial === undefined) return 'continue';
    refuse(this.#stream, { status: 403, body: deniedBody, error: verdict.denial });
    return 'stop';
  }
}

const deniedBody = 'RBAC: access denied';

const requests: SubjectView<HttpStream> = {
  someOf,
  startTimeMs: ({ manager, startMs }) => manager.wallTimeMs(startMs),
};

function compileRbac(config: RbacConfig, { stats, statPrefix }: FilterContext): CompiledRbac {
  const { rules, shadowRules, rulesStatPrefix, shadowRulesStatPrefix, tracksPolicies } = config;
  const compile = (
    each: RbacRules | undefined,
    prefix: string,
    shadow: '' | 'shadow_',
  ): RbacEngine<HttpStream> | undefined => {
    const counting = {
      stats,
      statPrefix: `http.${statPrefix}.rbac.${ended(prefix)}`,
      shadow,
      metadataPrefix: `${prefix}${shadow || 'enforced_'}`,
      tracksPolicies,
    };
    return each && new RbacEngine(each, requests, counting);
  };
  return {
    rules: compile(rules, rulesStatPrefix, ''),
    shadowRules: compile(shadowRules, shadowRulesStatPrefix, 'shadow_'),
  };
}
