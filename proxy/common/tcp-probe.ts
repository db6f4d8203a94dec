/** Whether somebody accepts connections, found out by opening one. */
import { connect, type Socket } from 'node:net';

export interface ProbeTarget {
  /** IP address. */
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** Resolves with undefined when a connection was accepted, otherwise with one sentence that says why not. */
export function probeTcp({ address, port, timeoutMs }: ProbeTarget): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: timeoutMs });
    const finish = (fault?: string): void => {
      socket.destroy();
      resolve(fault === undefined ? undefined : `connecting to ${address}:${port} failed: ${fault}`);
    };
    socket.once('connect', () => (isConnectedToItself(socket) ? finish('nobody listens there') : finish()));
    socket.once('timeout', () => finish(`no answer within ${timeoutMs} ms`));
    socket.once('error', ({ code, message }: NodeJS.ErrnoException) => finish(code ?? message));
  });
}

/**
 * The system may give a socket the very port that it connects to. On one machine that is TCP's simultaneous open
 * (RFC 9293, 3.5) with itself, and succeeds though nobody listens.
 */
export function isConnectedToItself({ localPort, remotePort, localAddress, remoteAddress }: Socket): boolean {
  return localPort === remotePort && localAddress === remoteAddress;
}
