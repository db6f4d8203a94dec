/** The heads of requests, from their header fields (RFC 9113 §8.3.1). */
import { isAuthority } from '../http/authority.ts';
import { type RequestHead, chunkedBody } from '../http/message-head.ts';
import { HeadReader } from './head-reader.ts';
import { HeaderField } from './header-field.ts';
import type { Special } from './special-fields.ts';

export class RequestReader extends HeadReader {
  #head: RequestHead | undefined = undefined;
  #host: string | undefined = undefined;
  #scheme = '';
  #cookies = '';
  #hasAuthority = false;

  /** `head` must be as new. */
  open(head: RequestHead): void {
    this.begin(head.headers);
    this.#head = head;
    this.#host = undefined;
    this.#scheme = '';
    this.#cookies = '';
    this.#hasAuthority = false;
    head.minorVersion = 2;
  }

  /** The block is decoded; `endStream`: there is no body. `fault` tells whether the request can be served. */
  close(endStream: boolean): void {
    const head = this.#head;
    this.#head = undefined;
    if (head === undefined) return;
    if (this.#cookies !== '') this.keep(new HeaderField('cookie', this.#cookies));
    this.end();
    if (this.#host !== undefined && !this.#agreeOnHost(head)) this.fault = 'malformed';
    if (!this.#isComplete(head)) this.fault = 'malformed';
    head.contentLength = endStream ? 0 : this.contentLength < 0 ? chunkedBody : this.contentLength;
    if (endStream && this.contentLength > 0) this.fault = 'malformed';
    head.expectsContinue &&= head.contentLength !== 0;
  }

  /** Clients that know HTTP/1.1 better may send Host; it must say the same (RFC 9113 §8.3.1). */
  #agreeOnHost(head: RequestHead): boolean {
    const host = this.#host ?? '';
    if (this.#hasAuthority) return host.toLowerCase() === head.authority.toLowerCase();
    head.authority = host;
    return true;
  }

  #isComplete(head: RequestHead): boolean {
    const { method, path, authority } = head;
    // RFC 9113 §8.3.1, RFC 9110 §4.2.1: in both schemes that there are somebody is asked.
    if (method === '' || !isAuthority(authority)) return false;
    // RFC 9113 §8.5: it asks for a tunnel, and names neither scheme nor path.
    if (method === 'CONNECT') return path === '' && this.#scheme === '';
    if (this.#scheme === '' || !/^[!"$-~]+$/.test(path)) return false;
    return path.startsWith('/') || (path === '*' && method === 'OPTIONS');
  }

  protected override onPseudo(name: string, value: string): boolean {
    const head = this.#head;
    if (head === undefined) return false;
    switch (name) {
      case ':method': {
        const isFirst = head.method === '';
        head.method = value;
        return isFirst && isToken(value);
      }
      case ':path': {
        const isFirst = head.path === '';
        head.path = value;
        return isFirst && value !== '';
      }
      case ':scheme': {
        const isFirst = this.#scheme === '';
        this.#scheme = value;
        return isFirst && /^[A-Za-z][A-Za-z0-9+.-]*$/.test(value);
      }
      case ':authority': {
        const isFirst = !this.#hasAuthority;
        this.#hasAuthority = true;
        head.authority = value;
        return isFirst;
      }
      default:
        return false;
    }
  }

  protected override onSpecial(special: Special, value: string): boolean {
    switch (special) {
      case 'te':
        if (value.toLowerCase() !== 'trailers') this.fault = 'malformed';
        else if (this.#head !== undefined) this.#head.acceptsTrailers = true;
        return false;
      case 'host':
        if (this.#host !== undefined) this.fault = 'malformed';
        this.#host = value;
        return false;
      case 'cookie':
        // Cut into pieces, so that they compress better; everybody else knows one line (RFC 9113 §8.2.3).
        this.#cookies = this.#cookies === '' ? value : `${this.#cookies}; ${value}`;
        return false;
      case 'expect':
        if (value.toLowerCase() !== '100-continue') this.fault = 'malformed';
        else if (this.#head !== undefined) this.#head.expectsContinue = true;
        return false;
      default:
        return super.onSpecial(special, value);
    }
  }
}

function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}
