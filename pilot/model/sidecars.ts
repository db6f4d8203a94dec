/** Which Sidecar resource a workload goes by. */
import type { Resource } from '../../crds/resource.ts';
import type { OutboundTrafficPolicyMode, SidecarSpec } from '../../crds/sidecar.ts';
import type { Client } from './client.ts';
import { rootNamespace } from './destination-rules.ts';
import { isSelected, type Labels } from './workload.ts';

export type Sidecar = Resource<SidecarSpec>;

export class Sidecars {
  readonly #all: readonly Sidecar[];

  /** `resources` come oldest first. */
  constructor(resources: readonly Sidecar[]) {
    this.#all = resources;
  }

  /** The labels that some Sidecar selects workloads by. */
  get labelKeys(): string[] {
    return this.#all.flatMap((sidecar) => Object.keys(selectorOf(sidecar)));
  }

  /** Undefined where the mesh's policy holds. */
  outboundPolicyOf(client: Client): OutboundTrafficPolicyMode | undefined {
    return this.#find(client)?.spec.outboundTrafficPolicy?.mode;
  }

  /** One that selects the workload, then its namespace's, then the root namespace's; of several the oldest. */
  #find({ namespace, labels = {} }: Client): Sidecar | undefined {
    const own = this.#all.filter(({ metadata }) => metadata.namespace === namespace);
    const selecting = own.find((sidecar) => hasSelector(sidecar) && isSelected(labels, selectorOf(sidecar)));
    const root = this.#all.filter(({ metadata }) => metadata.namespace === rootNamespace);
    return selecting ?? [...own, ...root].find((sidecar) => !hasSelector(sidecar));
  }
}

function selectorOf({ spec }: Sidecar): Labels {
  return spec.workloadSelector?.labels ?? {};
}

function hasSelector(sidecar: Sidecar): boolean {
  return Object.keys(selectorOf(sidecar)).length > 0;
}
