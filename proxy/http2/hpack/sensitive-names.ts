/** Longer names are never remembered, so that what strangers send fills no memory. */
export const maxRememberedNameLength = 256;
const maxRememberedNames = 256;

/**
 * Names of header fields whose values must never enter a table, where one who shares the connection could guess them
 * byte by byte (RFC 7541 §7.1). An intermediary must forward a field as never-indexed that came so (§6.2.3). Since
 * between codecs a message is plain text, the name is what is remembered: for all of its fields, which errs on the safe side.
 */
export class SensitiveNames {
  readonly #names = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
  readonly #maxNames = this.#names.size + maxRememberedNames;
  #version = 0;

  /** Changes whenever a name is added: who caches what `has` said compares numbers. */
  get version(): number {
    return this.#version;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Once there are too many, new ones are not remembered: dropping old ones would let a stranger drop everybody's. */
  add(name: string): void {
    if (this.#names.size >= this.#maxNames || name.length > maxRememberedNameLength || this.#names.has(name)) return;
    this.#names.add(name);
    this.#version++;
  }
}

/** Those of the process: a field comes in on one connection and goes out on another. */
export const sensitiveNames: SensitiveNames = new SensitiveNames();
