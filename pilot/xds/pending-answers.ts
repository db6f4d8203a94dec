/** Who waits until one client has answered what was due to it at a certain time. */
import type { Subscription } from './subscription.ts';

interface Waiter {
  /** What is not answered yet: each with the number of the response that has to be. */
  due: readonly (readonly [Subscription, number])[];
  readonly callback: () => void;
}

export class PendingAnswers {
  #waiters: Waiter[] = [];

  /** Calls back at once when nothing is due. Responses that become due later are not waited for. */
  add(subscriptions: Iterable<Subscription>, callback: () => void): void {
    const due = [...subscriptions].map((subscription) => [subscription, subscription.dueResponse] as const);
    this.#waiters.push({ due, callback });
    this.check();
  }

  /** An answer came, or what was due turned out to be nothing. */
  check(): void {
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters) {
      waiter.due = waiter.due.filter(([subscription, response]) => !subscription.hasAnswered(response));
    }
    this.#callBack(({ due }) => due.length === 0);
  }

  /** No answer will come any more. */
  end(): void {
    this.#callBack(() => true);
  }

  #callBack(isDone: (waiter: Waiter) => boolean): void {
    const done = this.#waiters.filter(isDone);
    this.#waiters = this.#waiters.filter((waiter) => !done.includes(waiter));
    for (const { callback } of done) callback();
  }
}
