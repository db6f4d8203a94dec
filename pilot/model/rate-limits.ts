/** Which RateLimits are about a host. */
import { resolveShortName } from '../../crds/host.ts';
import type { RateLimitSpec } from '../../crds/rate-limit.ts';
import type { Resource } from '../../crds/resource.ts';

export type RateLimit = Resource<RateLimitSpec>;

/** By full hostname, oldest first: several limits of one host are all in force. */
export type RateLimits = ReadonlyMap<string, readonly RateLimit[]>;

export function indexRateLimits(resources: readonly RateLimit[]): RateLimits {
  const byHost = new Map<string, RateLimit[]>();
  for (const resource of resources) {
    const hostname = resolveShortName(resource.spec.host, resource.metadata.namespace).toLowerCase();
    byHost.set(hostname, [...(byHost.get(hostname) ?? []), resource]);
  }
  return byHost;
}
