/**
 * Chunked transfer coding, incrementally and strictly (RFC 9112 §7.1). Extensions are dropped and bounded, trailers are
 * checked and dropped (as Envoy does unless told otherwise): what is sent on is framed anew.
 */
import { isTokenByte } from './head-parser.ts';

/** Bytes of chunk extensions and of trailers that one message may carry: more is an attack (CVE-2024-22019). */
const maxOverheadBytes = 16_384;

const State = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailer: 6,
  trailerName: 7,
  trailerValue: 8,
  trailerLf: 9,
  lastLf: 10,
  done: 11,
} as const;
const cr = 13;
const lf = 10;

export class ChunkedDecoder {
  #state: number = State.size;
  #size = 0;
  #digits = 0;
  #overheadBytes = 0;

  reset(): void {
    this.#state = State.size;
    this.#size = 0;
    this.#digits = 0;
    this.#overheadBytes = 0;
  }

  get isDone(): boolean {
    return this.#state === State.done;
  }

  /**
   * Consumes framing from `at` and then at most one run of data.
   * Returns false when the bytes are not chunked coding. On success `dataStart..dataEnd` is the run (empty when there is
   * none) and `next` is where to go on; it is less than `end` only when there is more to do or the message is done.
   */
  next = 0;
  dataStart = 0;
  dataEnd = 0;

  decode(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    this.dataStart = this.dataEnd = start;
    while (at < end) {
      if (this.#state === State.data) {
        const run = Math.min(this.#size, end - at);
        this.dataStart = at;
        this.dataEnd = at + run;
        this.#size -= run;
        if (this.#size === 0) this.#state = State.dataCr;
        this.next = at + run;
        return true;
      }
      if (!this.#consumeFraming(bytes[at] ?? 0)) return false;
      at++;
      if (this.#state === State.done) break;
    }
    this.next = at;
    return true;
  }

  #consumeFraming(byte: number): boolean {
    switch (this.#state) {
      case State.size:
        return this.#consumeSize(byte);
      case State.extension:
        this.#overheadBytes++;
        if (byte === cr) this.#state = State.sizeLf;
        else if (byte !== 9 && (byte < 32 || byte === 127)) return false;
        return this.#overheadBytes <= maxOverheadBytes;
      case State.sizeLf:
        this.#state = this.#size > 0 ? State.data : State.trailer;
        this.#digits = 0;
        return byte === lf;
      case State.dataCr:
        this.#state = State.dataLf;
        return byte === cr;
      case State.dataLf:
        this.#state = State.size;
        return byte === lf;
      default:
        return this.#consumeTrailer(byte);
    }
  }

  #consumeSize(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      // Eleven digits stay exact in a double; nobody sends a chunk of 16 TiB.
      if (++this.#digits > 11) return false;
      this.#size = this.#size * 16 + digit;
      return true;
    }
    if (this.#digits === 0) return false;
    if (byte === cr) this.#state = State.sizeLf;
    else if (byte === 59) this.#state = State.extension;
    else return false;
    return true;
  }

  #consumeTrailer(byte: number): boolean {
    this.#overheadBytes++;
    switch (this.#state) {
      case State.trailer:
        // An empty line ends the message; a line cannot begin with white space (obs-fold) or a colon.
        if (byte === cr) this.#state = State.lastLf;
        else if (isTokenByte(byte)) this.#state = State.trailerName;
        else return false;
        break;
      case State.trailerName:
        if (byte === 58) this.#state = State.trailerValue;
        else if (!isTokenByte(byte)) return false;
        break;
      case State.trailerValue:
        if (byte === cr) this.#state = State.trailerLf;
        else if (byte !== 9 && (byte < 32 || byte === 127)) return false;
        break;
      case State.trailerLf:
        if (byte !== lf) return false;
        this.#state = State.trailer;
        break;
      default:
        if (byte !== lf) return false;
        this.#state = State.done;
    }
    return this.#overheadBytes <= maxOverheadBytes;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
