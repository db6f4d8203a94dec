/** Hosts of rules: short names, and which hosts a wildcard covers. */
import { isIpAddress } from './names.ts';

/** The cluster's DNS domain; Kubernetes' and Istio's default. */
export const clusterDomain = 'cluster.local';

/**
 * A name without a dot means a service in the namespace of the rule that names it: `reviews` → `reviews.default.svc.cluster.local`.
 * Names with a dot, wildcards and addresses stay as they are (semantics S17).
 */
export function resolveShortName(host: string, namespace: string): string {
  if (host.includes('.') || host.includes('*') || isIpAddress(host)) return host;
  return `${host}.${namespace}.svc.${clusterDomain}`;
}

function isWildcard(host: string): boolean {
  return host.startsWith('*');
}

/** Whether some name fits both. `*` fits all, `*.com` and `*.foo.com` overlap. */
export function hostsOverlap(a: string, b: string): boolean {
  const [suffixA, suffixB] = [a.slice(1), b.slice(1)];
  if (isWildcard(a) && isWildcard(b)) return suffixA.endsWith(suffixB) || suffixB.endsWith(suffixA);
  if (isWildcard(a)) return b.endsWith(suffixA);
  return isWildcard(b) ? a.endsWith(suffixB) : a === b;
}

/** Whether every name that fits `inner` also fits `outer`. */
export function isHostCoveredBy(inner: string, outer: string): boolean {
  if (!isWildcard(outer)) return inner === outer;
  return (isWildcard(inner) ? inner.slice(1) : inner).endsWith(outer.slice(1));
}
