/** The heads of responses, from their header fields (RFC 9113 §8.3.2). */
import { phraseOf } from '../http/local-reply.ts';
import { type ResponseHead, chunkedBody } from '../http/message-head.ts';
import { HeadReader } from './head-reader.ts';

export class ResponseReader extends HeadReader {
  #head: ResponseHead | undefined = undefined;

  /** `head` must be as new. */
  open(head: ResponseHead): void {
    this.begin(head.headers);
    this.#head = head;
    head.minorVersion = 2;
  }

  /** `method`: of the request that is answered. */
  close(endStream: boolean, method: string): void {
    const head = this.#head;
    this.#head = undefined;
    if (head === undefined) return;
    this.end();
    if (head.status === 0) this.fault = 'malformed';
    head.reason = phraseOf(head.status);
    const isBodiless = method === 'HEAD' || head.status === 204 || head.status === 304 || head.status < 200;
    if (endStream && !isBodiless && this.contentLength > 0) this.fault = 'malformed';
    if (endStream || isBodiless) head.contentLength = 0;
    else head.contentLength = this.contentLength < 0 ? chunkedBody : this.contentLength;
  }

  protected override onPseudo(name: string, value: string): boolean {
    const head = this.#head;
    if (head === undefined || name !== ':status' || head.status !== 0 || !/^[1-9]\d\d$/.test(value)) return false;
    head.status = Number(value);
    return true;
  }
}
