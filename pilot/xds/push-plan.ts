/** What the next response of one type has to carry, decided from what is wanted and what was sent. Pure. */
import type { ResourceSet } from './generators.ts';
import type { EncodedResource } from './resource-encoder.ts';
import type { Push, Subscription } from './subscription.ts';

export interface CompletePlan {
  /** Undefined when the client has it all. */
  readonly push: Push | undefined;
  /** Resources that are gone stay with the client until nothing refers to them. */
  readonly hasDeferredRemovals: boolean;
}

type Sent = Pick<Subscription, 'sent' | 'last'>;

/**
 * For CDS and LDS, whose responses hold everything. With `isKeepingRemoved`, what was sent and is not wanted any more is
 * sent once more: make before break.
 */
export function planComplete({ sent, last }: Sent, wanted: ResourceSet, isKeepingRemoved: boolean): CompletePlan {
  const removed = [...sent.values()].filter(({ name }) => !wanted.has(name));
  const kept = isKeepingRemoved ? removed : [];
  const isChanged = removed.length > kept.length || [...wanted.values()].some((resource) => !isSent(sent, resource));
  const push =
    isChanged || last === undefined ? { resources: [...wanted.values(), ...kept], isComplete: true } : undefined;
  return { push, hasDeferredRemovals: kept.length > 0 };
}

/** For EDS and RDS, whose responses hold what changed. Undefined when nothing did. */
export function planPartial({ sent }: Sent, wanted: Iterable<EncodedResource>): Push | undefined {
  const changed = [...wanted].filter((resource) => !isSent(sent, resource));
  return changed.length === 0 ? undefined : { resources: changed, isComplete: false };
}

/** Those that the client has in another version. */
export function changedNames({ sent }: Sent, { resources }: Push): string[] {
  return resources.filter((resource) => sent.has(resource.name) && !isSent(sent, resource)).map(({ name }) => name);
}

function isSent(sent: ResourceSet, { name, version }: EncodedResource): boolean {
  return sent.get(name)?.version === version;
}
