/** Writes one call at a time: what was judged is what is stored, since nothing changes in between. */
import { type Change, ConflictError, type ConfigStore } from '../../crds/config-store.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { ServingEndpoint } from '../../crds/references.ts';
import type { Resource, ResourceKey } from '../../crds/resource.ts';
import { keyOf, timestampOf } from '../../crds/resource-table.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import { type Admission, admit, type AdmittedResource } from './admission.ts';
import { ApiError } from './status.ts';

/** Where services come from beside the store. */
export interface References {
  /** Whether workloads have registered a service of this full name, in lower case. */
  serviceExists(host: string): boolean;
  /** What serves a service of this full name now; undefined where nobody can know. */
  endpointsOf?(host: string): readonly ServingEndpoint[] | undefined;
  /** Of the process, which knows its providers; undefined: not checked. */
  readonly meshConfig?: MeshConfig | undefined;
}

export interface WriteCall {
  readonly inputs: readonly unknown[];
  readonly defaultNamespace: string;
  readonly isDryRun: boolean;
  /** The version each resource must have; undefined when any will do. May refuse by throwing. */
  expectVersion(resource: AdmittedResource): string | undefined;
  /** Turns the faults of the inputs into the call's answer. */
  refuse(admission: Admission): ApiError;
}

export interface DeleteCall {
  readonly key: ResourceKey;
  readonly resourceVersion: string | undefined;
  readonly isDryRun: boolean;
}

export interface StatusCall {
  readonly key: ResourceKey;
  readonly resourceVersion: string | undefined;
  /** Of the resource as it is when its turn has come. May refuse by throwing. */
  readonly statusOf: (current: Resource) => object;
}

export class Writer {
  readonly #store: ConfigStore;
  readonly #references: References;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: ConfigStore, references: References, clock: Clock) {
    this.#store = store;
    this.#references = references;
    this.#clock = clock;
  }

  /** All resources of the call, or none: rejects with ApiError. */
  write(call: WriteCall): Promise<Admission> {
    return this.#exclusively(async () => {
      const admission = admit(call.inputs, {
        stored: this.#store.list(),
        serviceExists: (host) => this.#references.serviceExists(host),
        endpointsOf: (host) => this.#references.endpointsOf?.(host),
        meshConfig: this.#references.meshConfig,
        now: timestampOf(this.#clock.nowMs()),
        defaultNamespace: call.defaultNamespace,
      });
      if (admission.errors.length > 0) throw call.refuse(admission);
      const changes = admission.admitted.map((admitted): Change => {
        const version = call.expectVersion(admitted);
        const change = { op: 'put', resource: admitted.resource } as const;
        return version === undefined ? change : { ...change, ifResourceVersion: version };
      });
      if (!call.isDryRun) await this.#commit(changes);
      return admission;
    });
  }

  delete({ key, resourceVersion, isDryRun }: DeleteCall): Promise<void> {
    const change: Change = {
      op: 'delete',
      key,
      ...(resourceVersion === undefined ? {} : { ifResourceVersion: resourceVersion }),
    };
    return this.#exclusively(async () => {
      if (!isDryRun) await this.#commit([change]);
    });
  }

  /** Only the status; rejects with ApiError when the resource is not there, or not at that version any more. */
  writeStatus({ key, resourceVersion, statusOf }: StatusCall): Promise<Resource> {
    return this.#exclusively(async () => {
      const current = this.#store.get(key);
      if (current === undefined) throw new ApiError('NotFound', `${key.kind} ${key.namespace}/${key.name} not found`);
      const change: Change = { op: 'put', resource: { ...current, status: statusOf(current) } };
      await this.#commit([resourceVersion === undefined ? change : { ...change, ifResourceVersion: resourceVersion }]);
      return this.#store.get(key) ?? current;
    });
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    try {
      await this.#store.commit(changes);
    } catch (error) {
      if (error instanceof ConflictError) throw new ApiError('Conflict', error.message);
      throw error;
    }
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** The version that a put must find: the one that the user read, or any. */
export function writtenVersion({ resource, resourceVersion, previous }: AdmittedResource): string | undefined {
  if (resourceVersion === undefined || resourceVersion === '') return undefined;
  if (previous?.metadata.resourceVersion === resourceVersion) return resourceVersion;
  const { kind, namespace, name } = keyOf(resource);
  const now =
    previous === undefined
      ? 'does not exist any more'
      : `is at resourceVersion ${previous.metadata.resourceVersion} now`;
  throw new ApiError(
    'Conflict',
    `${kind} ${namespace}/${name} ${now}, not ${resourceVersion}: read it again and repeat the change`,
  );
}
