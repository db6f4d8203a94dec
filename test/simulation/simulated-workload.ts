/** Who takes part in a simulation: the workloads that registered themselves, and the client whose proxy is looked at. */
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { parseLocality } from '../../pilot/model/locality.ts';
import { workloadOf, type Workload } from '../../pilot/model/workload.ts';

/** How the application there behaves; it answers unless told otherwise. */
export type Behaviour =
  | 'answers'
  /** Nothing listens: connecting fails. */
  | 'refuses'
  /** Takes requests and says nothing. */
  | 'is silent'
  /** Answers every other request with 500. */
  | 'fails every other'
  /** Answers with 429. */
  | 'is overloaded'
  /** Answers, and says in the response that it is going down. */
  | 'is going down';

export interface SimulatedWorkload {
  readonly service: string;
  /** Default `v1`; becomes the label `version` as `heddle run --version` does. */
  readonly version?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** `region/zone/subzone`. */
  readonly locality?: string;
  readonly behaviour?: Behaviour;
  /** Until it answers; default 0. */
  readonly latencyMs?: number;
  /** Checks of its health fail, whatever becomes of requests. */
  readonly isUnwell?: boolean;
}

const inboundPort = 15006;

/** The `index`-th workload of a simulation, at 10.0.0.(index + 1). */
export function workloadAt(given: SimulatedWorkload, index: number): Workload {
  const { service, version = 'v1', namespace = 'default', labels = {}, locality } = given;
  const workload = workloadOf({
    name: `${service}-${version}-${index}`,
    namespace,
    service,
    workloadName: `${service}-${version}`,
    labels: { app: service, version, ...labels },
    locality: locality === undefined ? undefined : parseLocality(locality),
    clusterId: 'Kubernetes',
    address: `10.0.0.${index + 1}`,
    appPort: 8080,
    inboundPort,
    outboundPort: 15001,
  });
  if (workload === undefined) throw new Error('a workload has an inbound port');
  return workload;
}

/** A pure client in `default` unless told otherwise. */
export function clientMetadata(given: Partial<NodeMetadata>): NodeMetadata {
  return {
    name: 'client-1',
    namespace: 'default',
    service: '',
    workloadName: 'client',
    labels: { app: 'client' },
    clusterId: 'Kubernetes',
    address: '10.0.1.1',
    appPort: 0,
    inboundPort: 0,
    outboundPort: 15001,
    ...given,
  };
}
