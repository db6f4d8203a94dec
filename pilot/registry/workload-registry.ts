/**
 * Workload registry: the workloads that take traffic. Their sidecars' ADS streams are open, or a restarted pilot still
 * waits for them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Node } from '../../proxy/api/node.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import { workloadOf, type Workload } from '../model/workload.ts';

interface Registration {
  readonly workload: Workload;
  /** Undefined for one that was restored and whose sidecar has not come back yet. */
  readonly owner: symbol | undefined;
}

export class WorkloadRegistry {
  readonly #clock: Clock;
  readonly #byNodeId = new Map<string, Registration>();
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Registers the workload of a sidecar until the returned function is called. A newer stream of the same node id takes
   * the registration over; the end of the older stream then removes nothing.
   */
  register(node: Node): () => void {
    const workload = workloadOf(node.metadata);
    if (workload === undefined) return () => {};
    const owner = Symbol(node.id);
    this.#put(node.id, workload, owner);
    return () => {
      if (this.#byNodeId.get(node.id)?.owner === owner) this.#remove(node.id);
    };
  }

  /** Takes a workload out, whoever registered it: it is its own sidecar that says so. */
  withdraw(node: Node): void {
    this.#remove(node.id);
  }

  isRegistered(node: Node): boolean {
    return this.#byNodeId.has(node.id);
  }

  /**
   * Takes over what an earlier process knew, so that a restart empties no service: each workload counts until its
   * sidecar is back, until another takes its address, or until `graceMs` have passed.
   */
  restore(workloads: ReadonlyMap<string, Workload>, graceMs: number): void {
    for (const [nodeId, workload] of workloads) {
      if (!this.#byNodeId.has(nodeId)) this.#byNodeId.set(nodeId, { workload, owner: undefined });
    }
    this.#notify();
    this.#clock.setTimer(() => {
      for (const nodeId of workloads.keys()) if (this.#isAwaited(nodeId)) this.#remove(nodeId);
    }, graceMs);
  }

  /** By node id. */
  entries(): ReadonlyMap<string, Workload> {
    return new Map([...this.#byNodeId].map(([nodeId, { workload }]) => [nodeId, workload]));
  }

  workloads(): readonly Workload[] {
    return [...this.#byNodeId.values()].map(({ workload }) => workload);
  }

  /** Called after each change; the returned function ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #isAwaited(nodeId: string): boolean {
    const registration = this.#byNodeId.get(nodeId);
    return registration !== undefined && registration.owner === undefined;
  }

  /** A workload that says the same as before stays the same object: a reconnect changes nothing for the others. */
  #put(nodeId: string, workload: Workload, owner: symbol): void {
    const before = this.#byNodeId.get(nodeId)?.workload;
    const isSame = before !== undefined && isDeepStrictEqual(before, workload);
    this.#byNodeId.set(nodeId, { workload: isSame ? before : workload, owner });
    const isTakenOver = this.#forgetAwaitedAt(workload);
    if (!isSame || isTakenOver) this.#notify();
  }

  /** Two workloads cannot listen at one address: the one that is only waited for is gone. */
  #forgetAwaitedAt({ address, ports }: Workload): boolean {
    const gone = [...this.#byNodeId].filter(([, { workload, owner }]) => {
      const isThere = workload.address === address && isDeepStrictEqual(workload.ports, ports);
      return owner === undefined && isThere;
    });
    for (const [nodeId] of gone) this.#byNodeId.delete(nodeId);
    return gone.length > 0;
  }

  #remove(nodeId: string): void {
    if (this.#byNodeId.delete(nodeId)) this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
