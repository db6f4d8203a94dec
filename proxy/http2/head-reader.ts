/**
 * Makes heads of decoded header fields, strictly (RFC 9113 §8): what is malformed there could be read in two ways behind a hop
 * that speaks HTTP/1.1, which is how requests are smuggled. The fields become the text of a head, as if it had come so.
 */
import { parseContentLength } from '../http/content-length.ts';
import type { HeadLimits } from '../http/head-limits.ts';
import type { HeaderMap } from '../http/header-map.ts';
import type { HeaderField } from './header-field.ts';
import type { FieldSink } from './hpack/hpack-decoder.ts';
import { colon, type Special, specialNames } from './special-fields.ts';

/** `too_large`: the message may be well-formed, but has more header lines than are kept. */
export type MessageFault = 'malformed' | 'too_large';

/** What requests and responses have in common. */
export abstract class HeadReader implements FieldSink {
  fault: MessageFault | undefined = undefined;
  readonly #limits: HeadLimits;
  #bytes = 0;
  #hasRegular = false;
  protected headers: HeaderMap | undefined = undefined;
  /** -1: none. */
  protected contentLength = -1;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  protected begin(headers: HeaderMap): void {
    this.fault = undefined;
    this.headers = headers;
    this.#bytes = 0;
    this.#hasRegular = false;
    this.contentLength = -1;
  }

  protected end(): void {
    const { headers } = this;
    this.headers = undefined;
    if (headers === undefined) return;
    headers.text += '\r\n';
    if (!headers.noteKnown()) this.fault = 'malformed';
  }

  onField(field: HeaderField): void {
    if (!field.isValid) this.fault = 'malformed';
    else if (field.name.charCodeAt(0) !== colon) this.#onRegular(field);
    else if (this.#hasRegular || !this.onPseudo(field.name, field.value)) this.fault = 'malformed';
  }

  #onRegular(field: HeaderField): void {
    this.#hasRegular = true;
    const special = specialNames.get(field.name);
    if (special !== undefined && !this.onSpecial(special, field.value)) return;
    this.keep(field);
  }

  protected keep({ name, value, hash, line }: HeaderField): void {
    const { headers } = this;
    if (headers === undefined) return;
    this.#bytes += line.length;
    if (this.#bytes > this.#limits.maxBytes || headers.count >= this.#limits.maxHeaders) this.fault ??= 'too_large';
    else headers.receive(name, value, hash, line);
  }

  /** False: it is not allowed. */
  protected abstract onPseudo(name: string, value: string): boolean;

  /** False: the field is not kept. */
  protected onSpecial(special: Special, value: string): boolean {
    if (special === 'connection') this.fault = 'malformed';
    if (special === 'content-length') {
      const length = parseContentLength(value);
      if (length < 0 || this.contentLength >= 0) this.fault = 'malformed';
      this.contentLength = length;
    }
    return true;
  }
}
