/** Trailers, from their header fields. */
import type { HeadLimits } from '../http/head-limits.ts';
import type { Trailers } from '../http/trailers.ts';
import type { HeaderField } from './header-field.ts';
import type { FieldSink } from './hpack/hpack-decoder.ts';
import { colon, specialNames } from './special-fields.ts';

/** The fields behind a body: none of them says anything about the message as a whole (RFC 9113 §8.1). */
export class TrailersReader implements FieldSink {
  isMalformed = false;
  readonly #limits: HeadLimits;
  #trailers: Trailers | undefined = undefined;
  #bytes = 0;
  #count = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  open(trailers: Trailers): void {
    this.isMalformed = false;
    this.#trailers = trailers;
    this.#bytes = 0;
    this.#count = 0;
  }

  onField({ isValid, name, value, line }: HeaderField): void {
    this.#bytes += line.length;
    this.#count += 1;
    const { maxBytes, maxHeaders } = this.#limits;
    const isTooLarge = this.#bytes > maxBytes || this.#count > maxHeaders;
    if (!isValid || name.charCodeAt(0) === colon || isTooLarge || specialNames.get(name) === 'connection') {
      this.isMalformed = true;
    } else if (!specialNames.has(name)) {
      // Framing and routing have no place here (RFC 9110 §6.5.1): they are dropped, as any recipient may.
      this.#trailers?.add(name, value);
    }
  }
}
