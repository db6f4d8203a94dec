/** A user's resource as Kubernetes shapes it. `S` is the type of `spec`, inferred from the kind's schema. */
export interface Resource<S = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: S;
  readonly status?: unknown;
}

export interface ObjectMeta {
  readonly name: string;
  /** Default `default`. */
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Set by the store: random, stable over updates. */
  readonly uid: string;
  /** Set by the store: the revision of the store that last wrote this resource, decimal. */
  readonly resourceVersion: string;
  /** Set by the store: counts changes of `spec`. */
  readonly generation: number;
  /** Set by the store: RFC 3339, whole seconds, UTC. */
  readonly creationTimestamp: string;
}

/** Identity of a resource in the store. */
export interface ResourceKey {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}
