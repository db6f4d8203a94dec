/** Random ids of traces and spans, in hexadecimal. Drawn in blocks, because a draw for each request costs more than routing it. */
import { randomFillSync } from 'node:crypto';

const blockBytes = 4_096;
const spanIdDigits = 16;
const traceIdDigits = 32;

export class TraceIds {
  readonly #fill: (bytes: Buffer) => void;
  readonly #bytes = Buffer.alloc(blockBytes);
  #digits = '';
  #next = 0;

  /** `fill`: writes random bytes; tests bring their own. */
  constructor(fill: (bytes: Buffer) => void = randomFillSync) {
    this.#fill = fill;
  }

  spanId(): string {
    return this.#take(spanIdDigits);
  }

  traceId(): string {
    return this.#take(traceIdDigits);
  }

  #take(digits: number): string {
    if (this.#next + digits > this.#digits.length) this.#draw();
    const start = this.#next;
    this.#next += digits;
    return this.#digits.slice(start, this.#next);
  }

  #draw(): void {
    this.#fill(this.#bytes);
    this.#digits = this.#bytes.toString('hex');
    this.#next = 0;
  }
}
