/**
 * Options of sockets that Node does not know, through libc. The library that calls it is loaded with the first use:
 * a proxy that needs none of them does not pay for it.
 */
import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import type * as Koffi from 'koffi';

/** Values of Linux, the same on every architecture Node runs on. */
export const socketOptions = {
  SOL_IP: 0,
  SOL_SOCKET: 1,
  SOL_TCP: 6,
  SOL_IPV6: 41,
  IP_TRANSPARENT: 19,
  IPV6_TRANSPARENT: 75,
  /** IP6T_SO_ORIGINAL_DST has the same number. */
  SO_ORIGINAL_DST: 80,
  SO_KEEPALIVE: 9,
  TCP_KEEPIDLE: 4,
  TCP_KEEPINTVL: 5,
  TCP_KEEPCNT: 6,
} as const;

export interface SocketOption {
  readonly level: number;
  readonly name: number;
}

/** Both calls return 0, or -1 with the reason in `errno`. */
interface SystemCalls {
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint32Array): number;
  setsockopt(fd: number, level: number, name: number, value: Int32Array, length: number): number;
  errno(): number;
}

const newValue = new Int32Array(1);
const lengthBytes = new Uint32Array(1);

let calls: SystemCalls | undefined = undefined;
let fault: string | undefined = undefined;

/** Why options cannot be read and set on this machine; undefined when they can. Asked once when a listener or a cluster needs them. */
export function findSocketOptionsFault(): string | undefined {
  if (calls !== undefined || fault !== undefined) return fault;
  if (process.platform !== 'linux') {
    fault = `the options of sockets that this needs are Linux's, this is ${process.platform}`;
    return fault;
  }
  try {
    calls = loadSystemCalls();
  } catch (error) {
    fault = `socket options cannot be reached, koffi does not load: ${error instanceof Error ? error.message : String(error)}`;
  }
  return fault;
}

function loadSystemCalls(): SystemCalls {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  // Node has libc loaded already, whichever it was built for.
  const libc = koffi.load(null);
  return {
    getsockopt: libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)'),
    setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
    errno: () => koffi.errno(),
  };
}

/** Fills `value` with the option. False where the socket does not have it, or the library cannot be loaded. */
export function readSocketOption(fd: number, { level, name }: SocketOption, value: Uint8Array): boolean {
  if (calls === undefined && findSocketOptionsFault() !== undefined) return false;
  lengthBytes[0] = value.length;
  return calls?.getsockopt(fd, level, name, value, lengthBytes) === 0;
}

/** Returns the error's name (`EPERM`), or the library's fault; undefined when it is done. */
export function setSocketOption(fd: number, { level, name }: SocketOption, value: number): string | undefined {
  const reason = findSocketOptionsFault();
  if (calls === undefined) return reason;
  newValue[0] = value;
  const isDone = calls.setsockopt(fd, level, name, newValue, newValue.byteLength) === 0;
  return isDone ? undefined : getSystemErrorName(-calls.errno());
}
