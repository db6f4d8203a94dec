/**
 * Sockets and options of sockets that Node does not know, through libc. The library that calls it is loaded with the first
 * use: a proxy that needs none of them does not pay for it.
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
  SO_MARK: 36,
  /** Serves both families. */
  IP_BIND_ADDRESS_NO_PORT: 24,
} as const;

export interface SocketOption {
  readonly level: number;
  readonly name: number;
}

/** All return -1 with the reason in `errno`; otherwise 0, or `socket` its descriptor. */
interface SystemCalls {
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint32Array): number;
  setsockopt(fd: number, level: number, name: number, value: Int32Array, length: number): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  close(fd: number): number;
  errno(): number;
}

const optionValue = new Int32Array(1);
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
    socket: libc.func('int socket(int family, int type, int protocol)'),
    bind: libc.func('int bind(int fd, const void *address, uint32_t length)'),
    close: libc.func('int close(int fd)'),
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
  optionValue[0] = value;
  const result = calls.setsockopt(fd, level, name, optionValue, optionValue.byteLength);
  return result === 0 ? undefined : errorName(calls);
}

export type SocketFamily = 'ipv4' | 'ipv6';

/** Of Linux, the same on every architecture Node runs on. */
const families = { ipv4: 2, ipv6: 10 } as const;
const stream = 1;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;

/** The descriptor of a new TCP socket that does not block, or why there is none: as `setSocketOption`. */
export function openTcpSocket(family: SocketFamily): number | string {
  const reason = findSocketOptionsFault();
  if (calls === undefined) return reason ?? '';
  const fd = calls.socket(families[family], stream | nonBlocking | closeOnExec, 0);
  return fd < 0 ? errorName(calls) : fd;
}

/** The kernel chooses the port. `address` is one of `family`. Returns why it could not: as `setSocketOption`. */
export function bindTcpSocket(fd: number, family: SocketFamily, address: readonly number[]): string | undefined {
  const reason = findSocketOptionsFault();
  if (calls === undefined) return reason;
  const socketAddress = socketAddresses[family];
  socketAddress.set(address, family === 'ipv4' ? ipv4Offset : ipv6Offset);
  return calls.bind(fd, socketAddress, socketAddress.length) === 0 ? undefined : errorName(calls);
}

export function closeDescriptor(fd: number): void {
  calls?.close(fd);
}

/** `sockaddr_in` and `sockaddr_in6`: the family, in the machine's byte order, the port, and what is zero here. */
const socketAddresses = { ipv4: socketAddress('ipv4', 16), ipv6: socketAddress('ipv6', 28) };
const ipv4Offset = 4;
const ipv6Offset = 8;

function socketAddress(family: SocketFamily, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(new Uint8Array(Uint16Array.of(families[family]).buffer));
  return bytes;
}

function errorName(calls: SystemCalls): string {
  return getSystemErrorName(-calls.errno());
}
