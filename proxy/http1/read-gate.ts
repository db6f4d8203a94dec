/** Whether a socket is read from. Inside a read callback its result tells the socket, outside it has to be told. */
import type { Socket } from 'node:net';

export class ReadGate {
  readonly #socket: Socket;
  #isOpen = true;
  #isInRead = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A read callback begins. */
  enter(): void {
    this.#isInRead = true;
  }

  /** It ends; what it has to return. */
  leave(): boolean {
    this.#isInRead = false;
    return this.#isOpen;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  set isOpen(isOpen: boolean) {
    if (isOpen === this.#isOpen) return;
    this.#isOpen = isOpen;
    if (this.#isInRead) return;
    if (isOpen) this.#socket.resume();
    else this.#socket.pause();
  }
}
