/** The last changes of the store, for those who watch: bounded in number and size, so that the oldest are forgotten. */
import { isDeepStrictEqual } from 'node:util';
import type { Commit, ConfigStore } from '../../crds/config-store.ts';
import type { Resource } from '../../crds/resource.ts';
import { keyOf, keyText } from '../../crds/resource-table.ts';

export interface StoredChange {
  readonly revision: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** What is stored now, or was last; its resourceVersion is the revision of the change. */
  readonly resource: Resource;
  /** Of what was MODIFIED, where they differ. */
  readonly labelsBefore?: Labels;
}

type Labels = Readonly<Record<string, string>>;
const noLabels: Labels = {};

interface RememberedCommit {
  readonly revision: number;
  readonly changes: readonly StoredChange[];
  readonly sizeChars: number;
}

export interface HistoryLimits {
  /** Default 1,024. */
  readonly maxCommits?: number;
  /** Of all resources as JSON; default 16 Mi. */
  readonly maxChars?: number;
}

export class ChangeHistory {
  readonly #maxCommits: number;
  readonly #maxChars: number;
  /** Labels of all that is there, by key. */
  readonly #present = new Map<string, Labels>();
  /** Oldest first. */
  readonly #commits: RememberedCommit[] = [];
  #sizeChars = 0;
  /** Everything after this revision is remembered. */
  #since = 0;

  constructor({ maxCommits = 1024, maxChars = 16 * 1024 * 1024 }: HistoryLimits = {}) {
    this.#maxCommits = maxCommits;
    this.#maxChars = maxChars;
  }

  /** `store` is open. */
  begin(store: ConfigStore): void {
    this.#since = store.revision;
    for (const resource of store.list()) this.#remember(resource);
  }

  /** The changes of a commit, the next one after all that came before. */
  add({ revision, puts, deletes }: Commit): readonly StoredChange[] {
    const changes = [
      ...deletes.map((resource): StoredChange => ({
        revision,
        type: 'DELETED',
        resource: atRevision(resource, revision),
      })),
      ...puts.map((resource) => this.#put(resource, revision)),
    ];
    for (const resource of deletes) this.#present.delete(keyText(keyOf(resource)));
    for (const resource of puts) this.#remember(resource);
    const sizeChars = changes.reduce((sum, { resource }) => sum + JSON.stringify(resource).length, 0);
    this.#commits.push({ revision, changes, sizeChars });
    this.#sizeChars += sizeChars;
    while (this.#commits.length > this.#maxCommits || this.#sizeChars > this.#maxChars) this.#forgetOldest();
    return changes;
  }

  /**
   * What `isWanted` of the commits after `revision`; undefined when some of them are forgotten, or `revision` is not of this
   * store. A commit of several such changes is told again to who names it: they have one version, and whoever lost the
   * connection between two of them would miss the second.
   */
  after(revision: number, isWanted: (resource: Resource) => boolean): readonly StoredChange[] | undefined {
    const last = this.#commits.at(-1)?.revision ?? this.#since;
    if (!Number.isSafeInteger(revision) || revision < this.#since || revision > last) return undefined;
    return this.#commits.flatMap((commit) => {
      if (commit.revision < revision) return [];
      const wanted = commit.changes.flatMap((change) => seenBy(change, isWanted) ?? []);
      return commit.revision === revision && wanted.length < 2 ? [] : wanted;
    });
  }

  #put(resource: Resource, revision: number): StoredChange {
    const labelsBefore = this.#present.get(keyText(keyOf(resource)));
    if (labelsBefore === undefined) return { revision, type: 'ADDED', resource };
    const isSame = isDeepStrictEqual(labelsBefore, labelsOf(resource));
    return { revision, type: 'MODIFIED', resource, ...(isSame ? {} : { labelsBefore }) };
  }

  #remember(resource: Resource): void {
    this.#present.set(keyText(keyOf(resource)), labelsOf(resource));
  }

  #forgetOldest(): void {
    const oldest = this.#commits.shift();
    if (oldest === undefined) return;
    this.#sizeChars -= oldest.sizeChars;
    this.#since = oldest.revision;
  }
}

/**
 * The change as somebody hears of it who sees only what `isWanted`: what becomes so by its labels is new, and what is so no
 * more is gone. Undefined: it is none of theirs.
 */
export function seenBy(change: StoredChange, isWanted: (resource: Resource) => boolean): StoredChange | undefined {
  const { resource, labelsBefore: labels } = change;
  const isSeen = isWanted(resource);
  if (labels === undefined) return isSeen ? change : undefined;
  const wasSeen = isWanted({ ...resource, metadata: { ...resource.metadata, labels } });
  if (isSeen) return wasSeen ? change : { ...change, type: 'ADDED' };
  return wasSeen ? { ...change, type: 'DELETED' } : undefined;
}

function labelsOf({ metadata: { labels = noLabels } }: Resource): Labels {
  return labels;
}

function atRevision(resource: Resource, revision: number): Resource {
  return { ...resource, metadata: { ...resource.metadata, resourceVersion: String(revision) } };
}
