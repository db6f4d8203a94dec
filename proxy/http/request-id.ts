/**
 * `x-request-id` values in the form of a version 4 UUID: 74 random bits drawn once per process and a counter, because
 * random bytes for each request would cost more than routing it. Unique, not secret.
 */
import { randomBytes } from 'node:crypto';

/**
 * Requests per block: the first three digits come from a table, the rest of the id changes once per block. The first
 * eight are the ones that vary, because Envoy samples by them.
 */
const blockSize = 4_096;
const firstDigits = Array.from({ length: blockSize }, (_, i) => i.toString(16).padStart(3, '0'));
const lowBlockDigits = 5;
const blockDigits = 9;
const blockSpan = 16 ** blockDigits;

export class RequestIds {
  readonly #middle: string;
  #block: number;
  #rest = '';
  #next = blockSize;

  constructor(seed: Buffer = randomBytes(16)) {
    const hex = seed.toString('hex');
    const variant = (8 + (parseInt(hex.slice(7, 8), 16) & 3)).toString(16);
    this.#middle = `-${hex.slice(0, 4)}-4${hex.slice(4, 7)}-${variant}${hex.slice(8, 11)}-${hex.slice(11, 19)}`;
    this.#block = parseInt(hex.slice(19, 19 + blockDigits), 16);
  }

  next(): string {
    if (this.#next === blockSize) this.#beginBlock();
    return (firstDigits[this.#next++] ?? '') + this.#rest;
  }

  #beginBlock(): void {
    this.#block = this.#block + 1 < blockSpan ? this.#block + 1 : 0;
    const digits = this.#block.toString(16).padStart(blockDigits, '0');
    this.#rest = digits.slice(-lowBlockDigits) + this.#middle + digits.slice(0, -lowBlockDigits);
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
