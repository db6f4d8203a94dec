/**
 * Kubernetes' events (core/v1): what happened to a resource, for `kubectl describe`. Kept in memory, an hour and a thousand at
 * most: what counts stands in the status of the resource.
 */
import type { Clock } from '../../proxy/common/clock.ts';
import { parseFieldSelector, refuseUnsupportedQuery, refuseWatch } from './query.ts';
import type { ApiRequest, ApiResponse, Route } from './router.ts';
import { ApiError } from './status.ts';

const maxEvents = 1_000;
const maxAgeMs = 3_600_000;
const maxEventChars = 8_192;

interface StoredEvent {
  readonly key: string;
  readonly namespace: string;
  readonly receivedMs: number;
  readonly event: Readonly<Record<string, unknown>>;
}

export class Events {
  readonly #clock: Clock;
  /** Oldest first. */
  #events: StoredEvent[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
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

  #list({ params, query }: ApiRequest): ApiResponse {
    refuseUnsupportedQuery(query);
    refuseWatch(query);
    this.#forgetOld();
    const { namespace = '' } = params;
    const wanted = parseFieldSelector(query);
    const items = this.#events.filter(
      (stored) =>
        (namespace === '' || stored.namespace === namespace) &&
        wanted.every(({ path, value, isEqual }) => (textAt(stored.event, path.split('.')) === value) === isEqual),
    );
    const metadata = { resourceVersion: String(this.#events.length) };
    return { body: { kind: 'EventList', apiVersion: 'v1', metadata, items: items.map(({ event }) => event) } };
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
    const stored = { ...(event as StoredEvent['event']), apiVersion: 'v1', kind: 'Event' };
    this.#events.push({ key, namespace, receivedMs, event: stored });
    if (this.#events.length > maxEvents) this.#events.shift();
    return { status: 201, body: stored };
  }

  #forgetOld(): void {
    const since = this.#clock.nowMs() - maxAgeMs;
    this.#events = this.#events.filter(({ receivedMs }) => receivedMs >= since);
  }
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
