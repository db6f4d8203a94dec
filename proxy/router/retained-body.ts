/** The beginning of a request's body, kept for the attempt to come or for one that repeats it. */
import type { DataRun } from '../http/filter.ts';
import type { UpstreamRequest } from './upstream-request.ts';

const nothing = Buffer.alloc(0);

export class RetainedBody {
  readonly #runs: Buffer[] = [];
  #length = 0;
  #isWhole = true;

  get length(): number {
    return this.#length;
  }

  /** Nothing that came was let go: the request can be sent from its beginning. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Keeps what came, or, when it is not `wanted`, lets go of everything. */
  append({ bytes, start, end }: DataRun, isWanted: boolean): void {
    if (end === start || !this.#isWhole) return;
    if (!isWanted) {
      this.release();
      return;
    }
    this.#runs.push(Buffer.from(bytes.subarray(start, end)));
    this.#length += end - start;
  }

  /** `isComplete`: the body ends with what is kept. */
  sendTo(upstream: UpstreamRequest, isComplete: boolean): void {
    if (this.#runs.length === 0) {
      upstream.encodeData({ bytes: nothing, start: 0, end: 0 }, isComplete);
      return;
    }
    const last = this.#runs.length - 1;
    this.#runs.forEach((bytes, i) => {
      upstream.encodeData({ bytes, start: 0, end: bytes.length }, isComplete && i === last);
    });
  }

  /** The body went out and will not be repeated. */
  release(): void {
    this.#clear();
    this.#isWhole = false;
  }

  reset(): void {
    this.#clear();
    this.#isWhole = true;
  }

  #clear(): void {
    if (this.#length === 0) return;
    this.#runs.length = 0;
    this.#length = 0;
  }
}
