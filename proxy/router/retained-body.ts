/** The beginning of a request's body, kept for the attempt to come or for one that repeats it. */
import type { DataRun } from '../http/filter.ts';
import { ByteBuffer } from '../common/byte-buffer.ts';
import type { UpstreamRequest } from './upstream-request.ts';

export class RetainedBody {
  readonly #kept = new ByteBuffer();
  #isWhole = true;

  get length(): number {
    return this.#kept.length;
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
    this.#kept.append(bytes, start, end);
  }

  /** `isComplete`: the body ends with what is kept. */
  sendTo(upstream: UpstreamRequest, isComplete: boolean): void {
    const { bytes } = this.#kept;
    upstream.encodeData({ bytes, start: 0, end: bytes.length }, isComplete);
  }

  /** The body went out and will not be repeated. */
  release(): void {
    this.#kept.clear();
    this.#isWhole = false;
  }

  reset(): void {
    this.#kept.clear();
    this.#isWhole = true;
  }
}
