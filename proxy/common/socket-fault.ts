/** Faults of what is called for a socket: bugs of ours that cost one connection instead of the process. */
import type { Socket } from 'node:net';

let onFault: (cause: unknown) => void = () => {};

/** Where they are reported. */
export function onSocketFault(report: (cause: unknown) => void): void {
  onFault = report;
}

export function failSocket(socket: Socket, cause: unknown): void {
  onFault(cause);
  socket.destroy();
}

/** Calls what must not throw into the process, also when it comes from elsewhere than the socket, a timer for example. */
export function guard(socket: Socket, call: () => void): void {
  try {
    call();
  } catch (cause) {
    failSocket(socket, cause);
  }
}
