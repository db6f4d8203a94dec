/** What a store holds at one revision, and the pure step from there to the next. Both stores are built on it. */
import { isDeepStrictEqual } from 'node:util';
import { type Change, type Commit, ConflictError, type NewResource } from './config-store.ts';
import type { Resource, ResourceKey } from './resource.ts';

/** What a commit takes from outside, so that tests decide it. */
export interface CommitStamp {
  readonly nowMs: number;
  newUid(): string;
}

/** `'0'` as a change's `ifResourceVersion`: the resource must not exist yet. */
export const mustNotExist = '0';

export class ResourceTable {
  readonly revision: number;
  readonly #resources: ReadonlyMap<string, Resource>;
  readonly #lists = new Map<string | undefined, readonly Resource[]>();

  constructor(revision = 0, resources: ReadonlyMap<string, Resource> = new Map()) {
    this.revision = revision;
    this.#resources = resources;
  }

  static of(revision: number, resources: readonly Resource[]): ResourceTable {
    return new ResourceTable(
      revision,
      new Map(resources.map((resource) => [keyText(keyOf(resource)), freeze(resource)])),
    );
  }

  get(key: ResourceKey): Resource | undefined {
    return this.#resources.get(keyText(key));
  }

  /** Oldest first: creationTimestamp, name, namespace. Sorted once per table. */
  list(kind?: string): readonly Resource[] {
    let list = this.#lists.get(kind);
    if (list === undefined) {
      const all = [...this.#resources.values()];
      list = Object.freeze((kind === undefined ? all : all.filter((resource) => resource.kind === kind)).sort(byAge));
      this.#lists.set(kind, list);
    }
    return list;
  }

  /** The commit that `changes` make, in their order, as one revision. Throws ConflictError; changes nothing. */
  plan(changes: readonly Change[], stamp: CommitStamp): Commit {
    const revision = this.revision + 1;
    const draft = new Map<string, Resource | undefined>();
    for (const change of changes) {
      const key = keyText(change.op === 'put' ? keyOf(change.resource) : change.key);
      const current = draft.has(key) ? draft.get(key) : this.#resources.get(key);
      expectVersion(change, current);
      draft.set(key, change.op === 'put' ? write(change.resource, current, { ...stamp, revision }) : undefined);
    }
    const puts: Resource[] = [];
    const deletes: Resource[] = [];
    for (const [key, next] of draft) {
      const before = this.#resources.get(key);
      if (next !== undefined && next !== before) puts.push(next);
      if (next === undefined && before !== undefined) deletes.push(before);
    }
    const isChange = puts.length + deletes.length > 0;
    return { revision: isChange ? revision : this.revision, puts, deletes };
  }

  /** The table after `commit`, which was planned on this one. */
  after(commit: Commit): ResourceTable {
    if (commit.revision === this.revision) return this;
    const resources = new Map(this.#resources);
    for (const resource of commit.deletes) resources.delete(keyText(keyOf(resource)));
    for (const resource of commit.puts) resources.set(keyText(keyOf(resource)), resource);
    return new ResourceTable(commit.revision, resources);
  }
}

export function keyOf({ kind, metadata }: { readonly kind: string; readonly metadata: NamedMetadata }): ResourceKey {
  return { kind, namespace: metadata.namespace, name: metadata.name };
}

type NamedMetadata = Pick<Resource['metadata'], 'name' | 'namespace'>;

/** One text per key: no part of a key holds a slash. */
export function keyText({ kind, namespace, name }: ResourceKey): string {
  return `${kind}/${namespace}/${name}`;
}

type Aged = { readonly metadata: NamedMetadata & Pick<Resource['metadata'], 'creationTimestamp'> };

/** The order of lists, and of who wins: creationTimestamp, name, namespace (semantics S4). */
export function byAge({ metadata: a }: Aged, { metadata: b }: Aged): number {
  return (
    compareText(a.creationTimestamp, b.creationTimestamp) ||
    compareText(a.name, b.name) ||
    compareText(a.namespace, b.namespace)
  );
}

/** By code units, as Go compares strings: no locale. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function expectVersion(change: Change, current: Resource | undefined): void {
  const { kind, namespace, name } = change.op === 'put' ? keyOf(change.resource) : change.key;
  const what = `${kind} ${namespace}/${name}`;
  const expected = change.ifResourceVersion;
  if (expected === mustNotExist) {
    if (current !== undefined) throw new ConflictError(`${what} already exists`);
    return;
  }
  if (current === undefined) {
    if (change.op === 'put' && expected === undefined) return;
    throw new ConflictError(`${what} does not exist`);
  }
  const { resourceVersion } = current.metadata;
  if (expected === undefined || expected === resourceVersion) return;
  throw new ConflictError(
    `${what} is at resourceVersion ${resourceVersion}, not ${expected}: somebody else changed it`,
  );
}

/** Whether writing `next` over `current` would change nothing. */
export function isUnchanged(current: Resource, next: NewResource): boolean {
  return (
    current.apiVersion === next.apiVersion &&
    isDeepStrictEqual(current.spec, next.spec) &&
    isDeepStrictEqual(current.metadata.labels, next.metadata.labels) &&
    isDeepStrictEqual(current.metadata.annotations, next.metadata.annotations) &&
    isDeepStrictEqual(current.status, next.status)
  );
}

/** RFC 3339, whole seconds, UTC. */
export function timestampOf(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}

/** The resource as stored: `current` itself when nothing differs. */
function write(
  next: NewResource,
  current: Resource | undefined,
  stamp: CommitStamp & { readonly revision: number },
): Resource {
  if (current !== undefined && isUnchanged(current, next)) return current;
  const isSameSpec = current !== undefined && isDeepStrictEqual(current.spec, next.spec);
  const { name, namespace, labels, annotations } = next.metadata;
  return freeze({
    ...structuredClone({ apiVersion: next.apiVersion, kind: next.kind, spec: next.spec }),
    ...(next.status === undefined ? {} : { status: structuredClone(next.status) }),
    metadata: {
      name,
      namespace,
      ...(labels === undefined ? {} : { labels: { ...labels } }),
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      uid: current?.metadata.uid ?? stamp.newUid(),
      resourceVersion: String(stamp.revision),
      generation: (current?.metadata.generation ?? 0) + (isSameSpec ? 0 : 1),
      creationTimestamp: current?.metadata.creationTimestamp ?? timestampOf(stamp.nowMs),
    },
  });
}

/** Readers share what the store holds: nobody may change it. */
function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) freeze(child);
  return Object.freeze(value);
}
