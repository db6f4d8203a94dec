import type { Cluster, ClusterLoadAssignment } from '../../../proxy/api/cluster.ts';
import type { Listener } from '../../../proxy/api/listener.ts';
import type { RouteConfiguration } from '../../../proxy/api/route.ts';
import type { Secret } from '../../../proxy/api/tls.ts';
import type { FieldError } from '../../../proxy/common/decoded.ts';
import type { XdsSink } from '../../../proxy/xds/sink.ts';

/** Holds what was applied and the order of calls: `clusters a,b`, `assignment a`, `listeners l`, `routes r`. */
export class RecordingSink implements XdsSink {
  readonly calls: string[] = [];
  clusters: readonly Cluster[] = [];
  listeners: readonly Listener[] = [];
  readonly assignments = new Map<string, ClusterLoadAssignment>();
  readonly secrets = new Map<string, Secret>();
  readonly routeConfigurations = new Map<string, RouteConfiguration>();
  /** Faults by call, for example `assignment a`; such a call changes nothing. */
  readonly faults = new Map<string, FieldError[]>();
  /** Listeners take as long as this promise. */
  binding: Promise<void> = Promise.resolve();
  bindingsStarted = 0;
  /** Clusters that were replaced warm until `warm`. */
  isWarming = false;
  readonly #onWarm: (() => void)[] = [];

  replaceClusters(clusters: readonly Cluster[]): FieldError[] {
    return this.#record(`clusters ${namesOf(clusters)}`, () => (this.clusters = clusters));
  }

  onceClustersAreWarm(callback: () => void): void {
    this.#onWarm.push(callback);
    if (!this.isWarming) this.warm();
  }

  warm(): void {
    for (const callback of this.#onWarm.splice(0)) callback();
  }

  async replaceListeners(listeners: readonly Listener[]): Promise<FieldError[]> {
    this.bindingsStarted += 1;
    await this.binding;
    return this.#record(`listeners ${namesOf(listeners)}`, () => (this.listeners = listeners));
  }

  updateAssignment(assignment: ClusterLoadAssignment): FieldError[] {
    const { clusterName } = assignment;
    return this.#record(`assignment ${clusterName}`, () => this.assignments.set(clusterName, assignment));
  }

  updateSecret(secret: Secret): FieldError[] {
    return this.#record(`secret ${secret.name}`, () => this.secrets.set(secret.name, secret));
  }

  retainSecrets(names: readonly string[]): void {
    this.calls.push(`retain secrets ${names.join()}`);
    for (const name of this.secrets.keys()) if (!names.includes(name)) this.secrets.delete(name);
  }

  updateRouteConfiguration(routes: RouteConfiguration): FieldError[] {
    return this.#record(`routes ${routes.name}`, () => this.routeConfigurations.set(routes.name, routes));
  }

  /** The calls since the last time. */
  takeCalls(): string[] {
    return this.calls.splice(0);
  }

  /** All that is in force, to be compared. */
  snapshot(): object {
    const { clusters, listeners } = this;
    const [assignments, secrets, routes] = [this.assignments, this.secrets, this.routeConfigurations].map((map) => [
      ...map,
    ]);
    return { clusters, listeners, assignments, secrets, routes };
  }

  #record(call: string, apply: () => void): FieldError[] {
    this.calls.push(call);
    const faults = this.faults.get(call) ?? [];
    if (faults.length === 0) apply();
    return faults;
  }
}

function namesOf(resources: readonly { readonly name: string }[]): string {
  return resources.map(({ name }) => name).join(',');
}
