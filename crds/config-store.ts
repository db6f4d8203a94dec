/** ConfigStore: the port behind which users' resources live. Memory and file stores implement it; kube and etcd follow. */
import type { Resource, ResourceKey } from './resource.ts';

export type Change =
  /**
   * Create or replace. The store fills in uid, resourceVersion, generation and creationTimestamp. `ifResourceVersion: '0'`
   * creates only: the resource must not exist yet.
   */
  | { readonly op: 'put'; readonly resource: NewResource; readonly ifResourceVersion?: string }
  | { readonly op: 'delete'; readonly key: ResourceKey; readonly ifResourceVersion?: string };

export type NewResource = Omit<Resource, 'metadata'> & {
  readonly metadata: Pick<Resource['metadata'], 'name' | 'namespace' | 'labels' | 'annotations'>;
};

/** One committed transaction: what subscribers hear, in order, exactly once each. */
export interface Commit {
  readonly revision: number;
  readonly puts: readonly Resource[];
  readonly deletes: readonly Resource[];
}

/** The transaction was refused as a whole; nothing of it is stored. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
}

export interface ConfigStore {
  /** Loads what is stored; must be called once before anything else. */
  open(): Promise<void>;
  close(): Promise<void>;
  /** Counts commits; 0 when nothing was ever written. */
  readonly revision: number;
  /** All resources of a kind (of all kinds without one), oldest first: creationTimestamp, name, namespace. */
  list(kind?: string): readonly Resource[];
  get(key: ResourceKey): Resource | undefined;
  /**
   * All changes or none, as one revision. Resolves when the commit is durable. A put that changes nothing is no change;
   * deleting what is not there, or a stale `ifResourceVersion`, rejects with ConflictError.
   */
  commit(changes: readonly Change[]): Promise<Commit>;
  /** Called after each durable commit; the returned function ends the subscription. */
  subscribe(listener: (commit: Commit) => void): () => void;
}
