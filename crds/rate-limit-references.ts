/** What RateLimits of one host are to each other. */
import { resolveShortName } from './host.ts';
import { maxConditionalLimits, type RateLimitSpec, requestConditions } from './rate-limit.ts';
import type { ReferenceFindings, SomeResource } from './references.ts';

/** A request counts towards all global limits that are about it, of which there may not be too many combinations. */
export function checkRateLimitReferences(
  resource: SomeResource,
  resources: readonly SomeResource[],
  findings: ReferenceFindings,
): void {
  const group = conditionalGroup(resource);
  if (group === undefined) return;
  const count = resources.filter((each) => conditionalGroup(each) === group).length;
  if (count <= maxConditionalLimits) return;
  const message = `host has ${count} limits of scope GLOBAL that headers choose, at most ${maxConditionalLimits} are possible`;
  findings.errors.push({ path: 'spec.headers', message });
}

/** Host and mode of a global limit that headers choose; undefined for others. */
function conditionalGroup({ kind, spec, metadata: { namespace } }: SomeResource): string | undefined {
  if (kind !== 'RateLimit') return undefined;
  const limit = spec as RateLimitSpec;
  const { host, scope, mode = 'ENFORCE' } = limit;
  if (scope !== 'GLOBAL' || requestConditions(limit).length === 0) return undefined;
  return `${mode} ${resolveShortName(host, namespace).toLowerCase()}`;
}
