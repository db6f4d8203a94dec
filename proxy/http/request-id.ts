/**
 * `x-request-id` values in the form of a version 4 UUID: 74 random bits drawn once per process and a counter, because
 * random bytes for each request would cost more than routing it. Unique, not secret.
 */
import { randomBytes } from 'node:crypto';

/** Requests per block: the last three digits come from a table, the rest of the id changes once per block. */
const blockSize = 4_096;
const lastDigits = Array.from({ length: blockSize }, (_, i) => i.toString(16).padStart(3, '0'));
const blockSpan = 2 ** 36;

export class RequestIds {
  readonly #prefix: string;
  #block: number;
  #blockPrefix = '';
  #next = blockSize;

  constructor(seed: Buffer = randomBytes(16)) {
    const hex = seed.toString('hex');
    const variant = (8 + (parseInt(hex.slice(15, 16), 16) & 3)).toString(16);
    this.#prefix = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-${variant}${hex.slice(16, 19)}-`;
    this.#block = parseInt(hex.slice(19, 28), 16);
  }

  next(): string {
    if (this.#next === blockSize) this.#beginBlock();
    return this.#blockPrefix + (lastDigits[this.#next++] ?? '');
  }

  #beginBlock(): void {
    this.#block = this.#block + 1 < blockSpan ? this.#block + 1 : 0;
    this.#blockPrefix = this.#prefix + this.#block.toString(16).padStart(9, '0');
    this.#next = 0;
  }
}

/** Why a request is traced, as its id says it to the next hop: Envoy writes the version digit of the UUID. */
export type TraceReason = 'sampled' | 'forced' | 'client';

const digitByReason: Readonly<Record<TraceReason, string>> = { sampled: '9', forced: 'a', client: 'b' };
const versionDigitAt = 14;
const uuidLength = 36;

/** Undefined: nobody has decided to trace it, or the id is not one of these. */
export function traceReasonOf(id: string): TraceReason | undefined {
  if (id.length !== uuidLength) return undefined;
  switch (id.charAt(versionDigitAt)) {
    case '9':
      return 'sampled';
    case 'a':
      return 'forced';
    case 'b':
      return 'client';
    default:
      return undefined;
  }
}

/** The id with the reason in it, version 4 without one; an id of another form stays as it is. */
export function withTraceReason(id: string, reason: TraceReason | undefined): string {
  if (id.length !== uuidLength || id.charAt(versionDigitAt - 1) !== '-') return id;
  return `${id.slice(0, versionDigitAt)}${reason === undefined ? '4' : digitByReason[reason]}${id.slice(versionDigitAt + 1)}`;
}
