/** One TCP health check: bytes to send and pieces that the answer must have, in order, with anything in between. */
import type { TcpProbe } from '../../api/health-check.ts';
import type { Exchange } from './exchange.ts';
import type { CheckResult } from './prober.ts';

/** More of an answer is not kept: what is looked for should have come by then. */
const maxAnswerBytes = 65_536;

export class TcpExchange implements Exchange {
  readonly request: Uint8Array;
  readonly resultOnConnect: CheckResult | undefined;
  isReusable = false;
  readonly #expected: readonly Uint8Array[];
  #found = 0;
  #unread: Buffer = Buffer.alloc(0);

  constructor({ send, receive }: TcpProbe) {
    this.request = send;
    this.resultOnConnect = receive.length === 0 ? 'success' : undefined;
    this.#expected = receive;
  }

  read(bytes: Buffer, length: number): CheckResult | undefined {
    this.#unread = Buffer.concat([this.#unread, bytes.subarray(0, length)]);
    for (let piece = this.#expected[this.#found]; piece !== undefined; piece = this.#expected[this.#found]) {
      const at = this.#unread.indexOf(piece);
      if (at < 0) break;
      this.#found += 1;
      this.#unread = this.#unread.subarray(at + piece.length);
    }
    if (this.#found === this.#expected.length) {
      this.isReusable = true;
      return 'success';
    }
    return this.#unread.length > maxAnswerBytes ? 'failure' : undefined;
  }

  end(): CheckResult {
    return 'network';
  }
}
