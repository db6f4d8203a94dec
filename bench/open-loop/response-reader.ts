/** Finds the end of responses whose body length is known, one at a time; cheap enough to share a core with a backend. */
import { latin1 } from '../../proxy/common/latin1.ts';

const terminator = Buffer.from('\r\n\r\n');

export class ResponseReader {
  readonly #bodyBytes: number;
  #head = '';
  /** Of the body; -1 within the head. */
  #missingBytes = -1;

  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes;
  }

  /** True when the response is complete. Throws when it is not a 200 or is longer than it should be. */
  read(bytes: Buffer, length: number): boolean {
    let at = 0;
    if (this.#missingBytes < 0) {
      // Nearly always a head comes whole, and then nothing is kept of it.
      const found = this.#head === '' ? bytes.indexOf(terminator) : -1;
      if (found >= 0 && found + terminator.length <= length) {
        this.#checkStatus(latin1(bytes, 0, 12));
        at = found + terminator.length;
      } else {
        at = this.#readRest(bytes, length);
        if (at < 0) return false;
      }
      this.#missingBytes = this.#bodyBytes;
    }
    this.#missingBytes -= length - at;
    if (this.#missingBytes < 0) throw new Error('a response is longer than it should be');
    if (this.#missingBytes > 0) return false;
    this.#missingBytes = -1;
    return true;
  }

  /** A head in pieces: where its end is in these bytes, or -1. */
  #readRest(bytes: Buffer, length: number): number {
    const before = this.#head.length;
    this.#head += latin1(bytes, 0, length);
    const found = this.#head.indexOf('\r\n\r\n');
    if (found < 0) return -1;
    this.#checkStatus(this.#head.slice(0, 12));
    this.#head = '';
    return found + terminator.length - before;
  }

  #checkStatus(start: string): void {
    if (start !== 'HTTP/1.1 200') throw new Error(`a response begins with ${JSON.stringify(start)}`);
  }
}
