/**
 * The attempts of one request: one at a time, or several side by side while the request is hedged. Objects are kept for
 * the next stream. The first of them writes its response's head where the stream sends it from, so a request that is not
 * hedged copies nothing; when another one wins, they change places.
 */
import type { MeshError } from '../common/errors.ts';
import type { TimerWheel } from '../common/timer-wheel.ts';
import type { DataRun } from '../http/filter.ts';
import { ResponseHead } from '../http/message-head.ts';
import { UpstreamRequest, type UpstreamRequestCallbacks } from './upstream-request.ts';

export class UpstreamRequests {
  readonly #callbacks: UpstreamRequestCallbacks;
  readonly #timers: TimerWheel;
  readonly #all: UpstreamRequest[];

  constructor(callbacks: UpstreamRequestCallbacks, responseHead: ResponseHead, timers: TimerWheel) {
    this.#callbacks = callbacks;
    this.#timers = timers;
    this.#all = [new UpstreamRequest(callbacks, responseHead, timers)];
  }

  /** One that is free for another attempt. */
  acquire(): UpstreamRequest {
    for (const request of this.#all) if (request.isInactive) return request;
    const added = new UpstreamRequest(this.#callbacks, new ResponseHead(), this.#timers);
    this.#all.push(added);
    return added;
  }

  get isAnyActive(): boolean {
    for (const request of this.#all) if (request.isActive) return true;
    return false;
  }

  /** Beside one whose response has just begun. */
  get isAnyOtherActive(): boolean {
    for (const request of this.#all) if (request.isWaiting || request.isAwaitingHeaders) return true;
    return false;
  }

  /** There is an attempt, and none that still waits for its connection. */
  get isSent(): boolean {
    let isSent = false;
    for (const request of this.#all) {
      if (request.isWaiting) return false;
      isSent ||= request.isSent;
    }
    return isSent;
  }

  get isCongested(): boolean {
    for (const request of this.#all) if (request.isSent && request.isCongested) return true;
    return false;
  }

  encodeData(data: DataRun, endStream: boolean): void {
    for (const request of this.#all) if (request.isSent) request.encodeData(data, endStream);
  }

  flush(): void {
    for (const request of this.#all) request.flush();
  }

  resumeResponse(): void {
    for (const request of this.#all) request.resumeResponse();
  }

  armTimeouts(perTryTimeoutMs: number, idleTimeoutMs: number): void {
    for (const request of this.#all) if (request.isSent) request.armTimeouts(perTryTimeoutMs, idleTimeoutMs);
  }

  /** No response came in time: a fault of the hosts that were asked and have not begun to answer. */
  recordTimeout(error: MeshError): void {
    for (const request of this.#all) {
      if (request.isWaiting || request.isAwaitingHeaders) request.host?.recordResult(error);
    }
  }

  /** `winner` answers the request; the others end. Returns the head to send. */
  choose(winner: UpstreamRequest): ResponseHead {
    const first = this.#all[0];
    if (first !== undefined && first !== winner) {
      this.#all[this.#all.indexOf(winner)] = first;
      this.#all[0] = winner;
    }
    for (const request of this.#all) if (request !== winner) request.abandon();
    return winner.responseHead;
  }

  /** All attempts end; what is left of them is forgotten. */
  reset(): void {
    for (const request of this.#all) request.reset();
  }
}
