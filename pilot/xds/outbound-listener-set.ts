/**
 * The listeners for what applications call, of all nodes that share them. Most depend on the config alone; those of single
 * workloads come and go with these, and the ones that stay are not made again.
 */
import type { Listener } from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import type { AddressedWorkloads, PushConfig } from '../model/push-context.ts';
import type { ListenerReports } from '../networking/http-connection-manager.ts';
import {
  buildInterceptedOutboundListeners,
  buildWorkloadListener,
  type OutboundInterception,
  type WorkloadAddress,
} from '../networking/intercepted-outbound.ts';
import { findWorkloadAddresses } from '../networking/workload-addresses.ts';
import type { EncodedResource } from './resource-encoder.ts';

export interface OutboundPlan {
  readonly interception: OutboundInterception;
  /** As far as access logs depend on it. */
  readonly logging: Client;
  readonly reports: ListenerReports;
}

export class OutboundListenerSet {
  readonly #config: PushConfig;
  readonly #plan: OutboundPlan;
  readonly #encode: (listener: Listener) => EncodedResource;
  readonly #fixed: readonly EncodedResource[];
  readonly #fixedNames: ReadonlySet<string>;
  #workloads: AddressedWorkloads | undefined = undefined;
  #all: readonly EncodedResource[] = [];
  /** By what they are made of. */
  #known: ReadonlyMap<string, EncodedResource | undefined> = new Map();

  constructor(config: PushConfig, plan: OutboundPlan, encode: (listener: Listener) => EncodedResource) {
    this.#config = config;
    this.#plan = plan;
    this.#encode = encode;
    this.#fixed = buildInterceptedOutboundListeners(config, plan.interception, plan.reports).map(encode);
    this.#fixedNames = new Set(this.#fixed.map(({ name }) => name));
  }

  with(workloads: AddressedWorkloads): readonly EncodedResource[] {
    if (workloads !== this.#workloads) this.#update(workloads);
    return this.#all;
  }

  /** A service whose own address is a workload's has been given it: its listener stays. */
  #update(workloads: AddressedWorkloads): void {
    const known = new Map<string, EncodedResource | undefined>();
    for (const address of findWorkloadAddresses(workloads, this.#config, this.#plan.interception.client)) {
      const key = JSON.stringify(address);
      known.set(key, this.#known.has(key) ? this.#known.get(key) : this.#make(address));
    }
    const added = [...known.values()].filter((each) => each !== undefined);
    this.#known = known;
    this.#workloads = workloads;
    this.#all = [...added.filter(({ name }) => !this.#fixedNames.has(name)), ...this.#fixed];
  }

  #make(address: WorkloadAddress): EncodedResource | undefined {
    const { interception, reports } = this.#plan;
    const listener = buildWorkloadListener(this.#config, interception, address, reports);
    return listener && this.#encode(listener);
  }
}
