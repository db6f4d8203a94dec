/** `GET …/events?watch=true`: events as they come. They are no resources of the store and have a history of their own. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../proxy/common/clock.ts';
import { ApiError } from './status.ts';
import { beginWatch, watchTimeoutMs } from './watch-stream.ts';

const maxWatches = 64;
const maxUnreadBytes = 1024 * 1024;

export interface WatchedEvent {
  readonly event: object;
}

interface EventWatch<E> {
  readonly response: ServerResponse;
  readonly isWanted: (event: E) => boolean;
}

export class EventWatches<E extends WatchedEvent> {
  readonly #clock: Clock;
  readonly #watches = new Set<EventWatch<E>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `past`: what the watcher is told first. Throws ApiError before anything is written. */
  open(
    response: ServerResponse,
    {
      query,
      isWanted,
      past,
    }: Pick<EventWatch<E>, 'isWanted'> & { readonly query: URLSearchParams; readonly past: readonly E[] },
  ): void {
    const timeoutMs = watchTimeoutMs(query);
    if (this.#watches.size >= maxWatches) {
      throw new ApiError('TooManyRequests', `there are ${maxWatches} watches of events already`);
    }
    const watch = { response, isWanted };
    this.#watches.add(watch);
    const cancel = this.#clock.setTimer(() => response.end(), timeoutMs);
    response.on('close', () => {
      this.#watches.delete(watch);
      cancel();
    });
    beginWatch(response);
    for (const event of past) tell(watch, event);
  }

  add(event: E): void {
    for (const watch of this.#watches) tell(watch, event);
  }

  /** Ends all watches as if their time were up. */
  close(): void {
    for (const { response } of this.#watches) response.end();
  }
}

/** An event is said once and never changes. */
function tell<E extends WatchedEvent>({ response, isWanted }: EventWatch<E>, event: E): void {
  if (!isWanted(event)) return;
  if (response.writableLength > maxUnreadBytes) response.destroy();
  else response.write(`${JSON.stringify({ type: 'ADDED', object: event.event })}\n`);
}
