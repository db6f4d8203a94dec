/**
 * Kubernetes' events (core/v1): what happened to a resource, for `kubectl describe`. Kept in memory, an hour and a thousand at
 * most: what counts stands in the status of the resource.
 */
import type { Clock } from '../../proxy/common/clock.ts';
import { EventWatches } from './event-watches.ts';
import { parseLabelSelector } from './label-selector.ts';
import { isWatch, parseFieldSelector, refuseUnsupportedQuery } from './query.ts';
import type { ApiRequest, ApiResponse, ApiStream, Route } from './router.ts';
import { ApiError } from './status.ts';

const maxEvents = 1_000;
const maxAgeMs = 3_600_000;
const maxEventChars = 8_192;

interface StoredEvent {
  /** Of the order in which they came; events have it as their resourceVersion. */
  readonly revision: number;
  readonly key: string;
  readonly namespace: string;
  readonly receivedMs: number;
  readonly event: Readonly<Record<string, unknown>>;
}

export class Events {
  readonly #clock: Clock;
  /** Oldest first. */
  #events: StoredEvent[] = [];
  readonly #watches: EventWatches<StoredEvent>;
  #revision: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#watches = new EventWatches(clock);
    // What is not kept over a restart must not be taken for what comes after it.
    this.#revision = clock.nowMs() * 1_000;
  }

  /** Ends all watches. */
  close(): void {
    this.#watches.close();
  }

  /** For the front of the table: events are no kind of the store. */
  routes(): Route[] {
    const collection = '/api/v1/namespaces/{namespace}/events';
    return [
      { method: 'GET', pattern: '/api/v1/events', handle: (request) => this.#list(request) },
      { method: 'GET', pattern: collection, handle: (request) => this.#list(request) },
      { method: 'POST', pattern: collection, handle: (request) => this.#create(request) },
    ];
  }

  #list({ params, query }: ApiRequest): ApiResponse | ApiStream {
    refuseUnsupportedQuery(query);
    this.#forgetOld();
    const { namespace = '' } = params;
    const wanted = parseFieldSelector(query);
    const hasLabels = parseLabelSelector(query.get('labelSelector') ?? '');
    const isWanted = ({ namespace: own, event }: StoredEvent): boolean =>
      (namespace === '' || own === namespace) &&
      hasLabels(labelsOf(event)) &&
      wanted.every(({ path, value, isEqual }) => (textAt(event, path.split('.')) === value) === isEqual);
    if (isWatch(query)) {
      const past = this.#since(query.get('resourceVersion') ?? '');
      return { open: (response) => this.#watches.open(response, { query, isWanted, past }) };
    }
    const items = this.#events.filter(isWanted);
    const metadata = { resourceVersion: String(this.#revision) };
    return { body: { kind: 'EventList', apiVersion: 'v1', metadata, items: items.map(({ event }) => event) } };
  }

  /** Without a version, or from 0, everything that is there. */
  #since(version: string): readonly StoredEvent[] {
    if (!/^\d{0,16}$/.test(version)) {
      throw new ApiError('BadRequest', `resourceVersion must be a number, got ${JSON.stringify(version)}`);
    }
    const after = Number(version);
    if (after <= this.#revision) return this.#events.filter(({ revision }) => revision > after);
    throw new ApiError('Expired', `resourceVersion ${version} is not known here: list again`);
  }

  async #create(request: ApiRequest): Promise<ApiResponse> {
    const { namespace = '' } = request.params;
    const event = await request.readBody();
    const name = typeof event === 'object' && event !== null ? fieldAt(event, ['metadata', 'name']) : undefined;
    if (typeof event !== 'object' || event === null || typeof name !== 'string' || name === '') {
      throw new ApiError('BadRequest', 'expected an Event with metadata.name');
    }
    if (JSON.stringify(event).length > maxEventChars) {
      throw new ApiError('RequestEntityTooLarge', `an Event has at most ${maxEventChars} characters`);
    }
    this.#forgetOld();
    const key = `${namespace}/${name}`;
    if (this.#events.some((stored) => stored.key === key)) {
      throw new ApiError('AlreadyExists', `events "${name}" already exists`);
    }
    const receivedMs = this.#clock.nowMs();
    this.#revision += 1;
    const metadata = { ...(fieldAt(event, ['metadata']) as object), resourceVersion: String(this.#revision) };
    const shown = { ...(event as StoredEvent['event']), apiVersion: 'v1', kind: 'Event', metadata };
    const stored = { revision: this.#revision, key, namespace, receivedMs, event: shown };
    this.#events.push(stored);
    if (this.#events.length > maxEvents) this.#events.shift();
    this.#watches.add(stored);
    return { status: 201, body: shown };
  }

  #forgetOld(): void {
    const since = this.#clock.nowMs() - maxAgeMs;
    this.#events = this.#events.filter(({ receivedMs }) => receivedMs >= since);
  }
}

function labelsOf(event: object): Readonly<Record<string, string>> {
  const labels = fieldAt(event, ['metadata', 'labels']);
  return typeof labels === 'object' && labels !== null ? (labels as Record<string, string>) : {};
}

function textAt(value: object, path: readonly string[]): string {
  const found = fieldAt(value, path);
  return typeof found === 'string' ? found : '';
}

function fieldAt(value: object, path: readonly string[]): unknown {
  let found: unknown = value;
  for (const part of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, part)) return undefined;
    found = Reflect.get(found, part);
  }
  return found;
}
