/** At which ports an intercepted workload is called, and how. */
import type { NodeMetadata } from '../../proxy/api/node.ts';
import type { PushConfig } from './push-context.ts';
import { clusterHostname, connectionPorts, interceptedProtocol, type Service, type ServicePort } from './service.ts';
import { isSelected, targetPortOf, type Workload, workloadOf } from './workload.ts';

export interface InboundPort {
  /** Of the application. */
  readonly number: number;
  readonly protocol: ReturnType<typeof interceptedProtocol>;
  /** Of the service whose port it is; undefined where no service has it. */
  readonly hostname: string | undefined;
}

/**
 * Sorted. The ports of the services that the workload is an instance of, and those that it lists itself; what one service
 * says about a port counts before the next one, by hostname.
 */
export function inboundPortsOf(node: NodeMetadata, { services }: PushConfig): readonly InboundPort[] {
  const workload = workloadOf(node);
  if (workload === undefined) return [];
  const found = new Map<number, InboundPort>();
  for (const service of services.all) {
    if (!isInstanceOf(workload, service)) continue;
    for (const port of connectionPorts(service)) {
      const number = targetPortOf(workload, port);
      if (found.has(number)) continue;
      found.set(number, { number, protocol: interceptedProtocol(port), hostname: service.hostname });
    }
  }
  for (const number of node.appPorts ?? []) if (!found.has(number)) found.set(number, undeclared(number));
  return [...found.values()].sort((a, b) => a.number - b.number);
}

/** Whether the workload names the service, or is selected by it. */
export function isInstanceOf(
  { namespace, service, labels }: Workload,
  { hostname, selector = {}, ...of }: Service,
): boolean {
  if (service !== '' && hostname === clusterHostname(service, namespace)) return true;
  return of.namespace === namespace && Object.keys(selector).length > 0 && isSelected(labels, selector);
}

function undeclared(number: number): InboundPort {
  const port: ServicePort = { name: '', number, protocol: 'UNSUPPORTED', targetPort: number };
  return { number, protocol: interceptedProtocol(port), hostname: undefined };
}
