/** Under which names a host is addressed. */
import { clusterDomain } from '../../crds/host.ts';
import { isIpAddress } from '../../crds/names.ts';

const clusterSuffix = `.svc.${clusterDomain}`;

/**
 * All spellings of a host, itself first (semantics S18): `reviews.default.svc.cluster.local` is also `reviews.default.svc`,
 * `reviews.default` and, for clients in its own namespace, `reviews`. A name may end with the dot of the DNS root.
 */
export function spellingsOf(hostname: string, clientNamespace: string): string[] {
  if (hostname.startsWith('*') || isIpAddress(hostname)) return [hostname];
  const names = [hostname, `${hostname}.`];
  const [name, namespace, ...rest] = hostname.slice(0, -clusterSuffix.length).split('.');
  if (!hostname.endsWith(clusterSuffix) || name === undefined || namespace === undefined || rest.length > 0)
    return names;
  names.push(`${name}.${namespace}.svc`, `${name}.${namespace}`);
  return namespace === clientNamespace ? [...names, name] : names;
}

/** `isDefaultPort`: requests whose Host names no port are meant too, not only those that name this port. */
export function domainsOf(
  spellings: readonly string[],
  { port, isDefaultPort }: { readonly port: number; readonly isDefaultPort: boolean },
): string[] {
  return spellings.flatMap((name) => (isDefaultPort ? [name, `${name}:${port}`] : [`${name}:${port}`]));
}
