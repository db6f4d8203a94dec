/** At which ports a workload is called, and how its application is spoken to there. */
import type { NodeMetadata } from '../../proxy/api/node.ts';
import type { PushConfig } from './push-context.ts';
import {
  clusterHostname,
  connectionPorts,
  httpPorts,
  httpVersionOf,
  type HttpVersion,
  interceptedProtocol,
  protocolOf,
  type Service,
  type ServicePort,
} from './service.ts';
import { isSelected, targetPortOf, type Workload, workloadOf } from './workload.ts';

export interface InboundPort {
  /** Of the application. */
  readonly number: number;
  readonly protocol: ReturnType<typeof interceptedProtocol>;
  /** What the application speaks there, as far as it carries HTTP. */
  readonly version: HttpVersion;
  /** Of the service whose port it is; undefined where no service has it. */
  readonly hostname: string | undefined;
}

/**
 * Of an intercepted workload, sorted. The ports of the services that the workload is an instance of, and those that it lists itself; what one service
 * says about a port counts before the next one, by hostname.
 */
export function inboundPortsOf(node: NodeMetadata, { services }: PushConfig): readonly InboundPort[] {
  const workload = workloadOf(node);
  if (workload === undefined) return [];
  const own = ownVersionOf(node);
  const found = new Map<number, InboundPort>();
  for (const service of services.all) {
    if (!isInstanceOf(workload, service)) continue;
    for (const port of connectionPorts(service)) {
      const number = targetPortOf(workload, port);
      if (found.has(number)) continue;
      const version = number === node.appPort ? (own ?? httpVersionOf(port)) : httpVersionOf(port);
      found.set(number, { number, protocol: interceptedProtocol(port), version, hostname: service.hostname });
    }
  }
  for (const number of node.appPorts ?? []) if (!found.has(number)) found.set(number, undeclared(number));
  return [...found.values()].sort((a, b) => a.number - b.number);
}

/**
 * What the application of a workload speaks that is not intercepted: everything comes in through one listener. It is what
 * the application says itself, what its services say about its port, or what all of their ports have in common.
 */
export function inboundVersionOf(node: NodeMetadata, { services }: PushConfig): HttpVersion {
  const own = ownVersionOf(node);
  if (own !== undefined) return own;
  const named = services.find(clusterHostname(node.service, node.namespace));
  const workload = workloadOf(node);
  const serving =
    named === undefined ? services.all.filter((each) => workload && isInstanceOf(workload, each)) : [named];
  const ports = serving.flatMap(httpPorts);
  const exact = ports.filter(({ targetPort }) => targetPort === node.appPort);
  const [version, other] = new Set((exact.length > 0 ? exact : ports).map(httpVersionOf));
  return version === undefined || other !== undefined ? 'downstream' : version;
}

/** Whether the workload names the service, or is selected by it. */
export function isInstanceOf(
  { namespace, service, labels }: Workload,
  { hostname, selector = {}, ...of }: Service,
): boolean {
  if (service !== '' && hostname === clusterHostname(service, namespace)) return true;
  return of.namespace === namespace && Object.keys(selector).length > 0 && isSelected(labels, selector);
}

/** Undefined: the application does not say. */
function ownVersionOf({ appProtocol }: NodeMetadata): HttpVersion | undefined {
  return appProtocol && httpVersionOf({ protocol: protocolOf(appProtocol) });
}

function undeclared(number: number): InboundPort {
  const port: ServicePort = { name: '', number, protocol: 'UNSUPPORTED', targetPort: number };
  return { number, protocol: interceptedProtocol(port), version: httpVersionOf(port), hostname: undefined };
}
