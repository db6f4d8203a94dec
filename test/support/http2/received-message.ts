/** What a raw peer has received on one stream. */
import { type Role } from './audit.ts';
import { breachesOf, valueOf } from './fields.ts';
import type { Field } from './hpack-writer.ts';

export class ReceivedMessage {
  /** Responses with a status below 200. */
  readonly interim: (readonly Field[])[] = [];
  head: readonly Field[] | undefined = undefined;
  trailers: readonly Field[] | undefined = undefined;
  readonly #chunks: Buffer[] = [];
  bodyBytes = 0;
  isEnded = false;
  resetCode: number | undefined = undefined;

  /** 0 as long as there is none. */
  get status(): number {
    return Number(this.header(':status') ?? 0);
  }

  get isOver(): boolean {
    return this.isEnded || this.resetCode !== undefined;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** latin1. */
  get body(): string {
    return this.bytes.toString('latin1');
  }

  header(name: string): string | undefined {
    return this.head && valueOf(this.head, name);
  }

  /** Returns what is wrong with the section. */
  addFields(fields: readonly Field[], role: Role): string[] {
    if (this.head !== undefined) {
      this.trailers = fields;
      return breachesOf(fields, 'trailers');
    }
    const isInterim = role === 'client' && Number(valueOf(fields, ':status')) < 200;
    if (isInterim) this.interim.push(fields);
    else this.head = fields;
    return breachesOf(fields, role === 'client' ? 'response' : 'request');
  }

  addData(bytes: Buffer): void {
    if (bytes.length > 0) this.#chunks.push(bytes);
    this.bodyBytes += bytes.length;
  }
}
