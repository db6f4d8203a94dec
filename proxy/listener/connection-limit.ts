/**
 * How many connections the whole process takes (Envoy docs `resource_monitors`, global downstream connections): beyond that
 * a new one is closed at once, so that those that are there can be served.
 */
import type { Socket } from 'node:net';

export class ConnectionLimit {
  readonly #max: number;
  #active = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** False: there are enough. Otherwise the connection counts until its socket is closed. */
  admit(socket: Socket): boolean {
    if (this.#active >= this.#max) return false;
    this.#active += 1;
    socket.once('close', this.#release);
    return true;
  }

  readonly #release = (): void => {
    this.#active -= 1;
  };
}
