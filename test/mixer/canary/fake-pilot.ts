/**
 * Pilot behind its port, in memory: versions, compare-and-swap and a watch like the real one's, and faults at every write:
 * before it is stored, or after, when only the answer is lost.
 */
import type { CanaryStatus } from '../../../crds/canary.ts';
import type { Resource } from '../../../crds/resource.ts';
import { PilotError, type PilotApi, type ResourceList, type WatchEvent } from '../../../mixer/canary/pilot-client.ts';

export type WriteFault = 'before' | 'after' | undefined;

export class FakePilot implements PilotApi {
  /** Every status that was stored, in order. */
  readonly written: CanaryStatus[] = [];
  readonly events = new Map<string, { readonly reason: string; readonly message: string }>();
  conflicts = 0;
  isDown = false;
  /** Of what serves. */
  versions: readonly string[] | undefined = ['v1', 'v2'];
  /** Asked at every write, with its number from 1. */
  fault: (write: number) => WriteFault = () => undefined;
  readonly #resources = new Map<string, Resource>();
  readonly #watchers = new Set<(event: WatchEvent) => void>();
  #revision = 1;
  #writes = 0;

  constructor(...resources: Resource[]) {
    for (const resource of resources) this.#resources.set(keyOf(resource.kind, resource.metadata), resource);
  }

  status(name = 'reviews'): CanaryStatus {
    return this.#resources.get(keyOf('Canary', { namespace: 'default', name }))?.status ?? {};
  }

  /** What a user or `heddle canary` changes. */
  change(change: (resource: Resource) => Partial<Resource>, name = 'reviews'): void {
    const resource = this.#resources.get(keyOf('Canary', { namespace: 'default', name }))!;
    const changed = { ...resource, ...change(resource) };
    const isSame = changed.spec === resource.spec;
    const generation = resource.metadata.generation + (isSame ? 0 : 1);
    this.#store({ ...changed, metadata: { ...changed.metadata, generation } });
  }

  request(action: NonNullable<CanaryStatus['request']>['action']): void {
    this.change(({ status }) => ({
      status: { ...(status as CanaryStatus), request: { action, at: '2026-01-31T12:00:00Z' } },
    }));
  }

  async list(kind: string): Promise<ResourceList> {
    await this.#arrive();
    return {
      resourceVersion: String(this.#revision),
      items: [...this.#resources.values()].filter((item) => item.kind === kind),
    };
  }

  async *watch(kind: string, _version: string, signal: AbortSignal): AsyncGenerator<WatchEvent, void, undefined> {
    const queue: WatchEvent[] = [];
    let wake = (): void => {};
    const listener = (event: WatchEvent): void => {
      if (event.object.kind === kind) queue.push(event);
      wake();
    };
    this.#watchers.add(listener);
    signal.addEventListener('abort', () => wake());
    try {
      while (!signal.aborted) {
        for (let event = queue.shift(); event !== undefined; event = queue.shift()) yield event;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#watchers.delete(listener);
    }
  }

  async get(kind: string, namespace: string, name: string): Promise<Resource> {
    await this.#arrive();
    const resource = this.#resources.get(keyOf(kind, { namespace, name }));
    if (resource === undefined) throw new PilotError(404, 'not found');
    return resource;
  }

  async putStatus(resource: Resource): Promise<Resource> {
    await this.#arrive();
    this.#writes += 1;
    const fault = this.fault(this.#writes);
    if (fault === 'before') throw new Error('connection reset');
    const stored = this.#resources.get(keyOf(resource.kind, resource.metadata));
    if (stored?.metadata.resourceVersion !== resource.metadata.resourceVersion) {
      this.conflicts += 1;
      throw new PilotError(409, 'it is at another version now');
    }
    const status = JSON.parse(JSON.stringify(resource.status)) as CanaryStatus;
    this.written.push(status);
    const written = this.#store({ ...stored, status });
    if (fault === 'after') throw new Error('connection reset');
    return written;
  }

  async versionsOf(): Promise<readonly string[] | undefined> {
    await this.#arrive();
    return this.versions;
  }

  async postEvent(_namespace: string, event: object): Promise<void> {
    await this.#arrive();
    const { metadata, reason, message } = event as { metadata: { name: string }; reason: string; message: string };
    if (this.events.has(metadata.name)) throw new PilotError(409, 'already exists');
    this.events.set(metadata.name, { reason, message });
  }

  async #arrive(): Promise<void> {
    await Promise.resolve();
    if (this.isDown) throw new Error('connection refused');
  }

  #store(resource: Resource): Resource {
    this.#revision += 1;
    const stored = { ...resource, metadata: { ...resource.metadata, resourceVersion: String(this.#revision) } };
    this.#resources.set(keyOf(resource.kind, resource.metadata), stored);
    for (const listener of this.#watchers) listener({ type: 'MODIFIED', object: stored });
    return stored;
  }
}

function keyOf(kind: string, { namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${kind} ${namespace}/${name}`;
}
