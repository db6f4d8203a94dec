/** Who enforces which check rules. */
import type { NodeMetadata } from '../../proxy/api/node.ts';
import type { Enforcer } from '../model/check-rules.ts';
import { isInstanceOf } from '../model/inbound-ports.ts';
import type { PushContext } from '../model/push-context.ts';
import { clusterHostname } from '../model/service.ts';
import { placeOf, workloadOf } from '../model/workload.ts';

type Rules = Pick<PushContext, 'config' | 'checks'>;

/** Workloads that no rule tells apart share what is made for them. */
export function enforcerOf(node: NodeMetadata, { config, checks }: Rules): Enforcer {
  const { labels } = placeOf(node);
  const workload = workloadOf(node);
  const known = [...checks.selectorLabels].flatMap((key) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    return value === undefined ? [] : [[key, value] as const];
  });
  const hostnames = [...checks.hostnames].filter((hostname) => {
    if (workload === undefined) return false;
    // Before anybody has declared the service, or the workload is registered: rules do not wait for that.
    if (workload.service !== '' && hostname === clusterHostname(workload.service, workload.namespace)) return true;
    const service = config.services.find(hostname);
    return service !== undefined && isInstanceOf(workload, service);
  });
  return { namespace: node.namespace, labels: Object.fromEntries(known), hostnames };
}
