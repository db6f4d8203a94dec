/** Why no host of a cluster takes requests, in words for `x-heddle-reason` and the access log. */
import type { UpstreamCluster } from './cluster.ts';
import type { Host } from './host.ts';

/** A host may have several reasons; it counts for each. */
const reasons: readonly { readonly text: string; readonly applies: (host: Host) => boolean }[] = [
  { text: 'failed active health checks', applies: ({ check }) => check?.isFailed === true },
  { text: 'ejected by outlier detection', applies: ({ isEjected }) => isEjected },
  { text: 'not healthy for the control plane', applies: ({ endpoint }) => !endpoint.isHealthy },
];

export function describeOutage({ config: { name }, hosts }: UpstreamCluster): string {
  const found = reasons.flatMap(({ text, applies }) => {
    const count = hosts.filter(applies).length;
    return count === 0 ? [] : [`${count} ${text}`];
  });
  const detail = found.length === 0 ? '' : `: of ${hosts.length}, ${found.join(', ')}`;
  return `no healthy endpoint in cluster ${name}${detail}`;
}
