/**
 * Who drives a release. The fence is the store: each write names the version that it was made from, so of two drivers one
 * is refused. The lease keeps them from trying. Whether another's lease has ended is judged by watching it stand still
 * with one's own clock; what time its holder's machine had when it wrote does not matter.
 */
import type { Clock } from '../../proxy/common/clock.ts';
import type { Lease } from './release-status.ts';

/** While requests are judged, a dead driver is replaced soon; at a gate there is time, and fewer writes. */
const judgingSeconds = 6;
const waitingSeconds = 30;
const maxLeaseSeconds = 600;

export class LeaseWatch {
  readonly #clock: Clock;
  readonly #self: string;
  #seen = '';
  #seenSinceMs = 0;

  constructor(self: string, clock: Clock) {
    this.#self = self;
    this.#clock = clock;
  }

  /** Whether `lease` is someone else's who may still be alive. */
  isHeldByOther(lease: Lease | undefined): boolean {
    if (lease === undefined || lease.holder === '' || lease.holder === this.#self) return false;
    const text = `${lease.holder} ${lease.renewedAt}`;
    if (text !== this.#seen) {
      this.#seen = text;
      this.#seenSinceMs = this.#clock.monotonicMs();
    }
    const seconds = lease.seconds > 0 ? Math.min(lease.seconds, maxLeaseSeconds) : waitingSeconds;
    return this.#clock.monotonicMs() - this.#seenSinceMs < seconds * 1000;
  }

  isOwn(lease: Lease | undefined): boolean {
    return lease?.holder === this.#self;
  }

  /** A holder that is alive renews three times before others may take over. */
  renewAfterMs(isJudging: boolean): number {
    return ((isJudging ? judgingSeconds : waitingSeconds) * 1000) / 3;
  }

  renewed(isJudging: boolean): Lease {
    const renewedAt = new Date(this.#clock.nowMs()).toISOString();
    return { holder: this.#self, renewedAt, seconds: isJudging ? judgingSeconds : waitingSeconds };
  }
}
