/**
 * Sockets that call in the name of a client: from its address, which is not this machine's (Envoy docs
 * `listener_filters/original_src_filter`). The kernel allows that to transparent sockets; their mark has the answers routed
 * back here.
 */
import { addressBytes } from './address-bytes.ts';
import {
  bindTcpSocket,
  closeDescriptor,
  openTcpSocket,
  setSocketOption,
  type SocketFamily,
  type SocketOption,
  socketOptions,
} from './socket-options.ts';

/** Whose address connections have, instead of the proxy's own. */
export interface OriginalSource {
  /** IP. */
  readonly address: string;
  /** SO_MARK; 0 = none. */
  readonly mark: number;
  /** The same for the same address and mark. */
  readonly key: string;
}

export function originalSource(address: string, mark: number): OriginalSource {
  return { address, mark, key: `${mark} ${address}` };
}

const { SOL_IP, SOL_IPV6, SOL_SOCKET, IP_TRANSPARENT, IPV6_TRANSPARENT, SO_MARK, IP_BIND_ADDRESS_NO_PORT } =
  socketOptions;
const transparent: Record<SocketFamily, SocketOption> = {
  ipv4: { level: SOL_IP, name: IP_TRANSPARENT },
  ipv6: { level: SOL_IPV6, name: IPV6_TRANSPARENT },
};
const marked: SocketOption = { level: SOL_SOCKET, name: SO_MARK };
/** The port is chosen when it connects: the same port then serves connections to several destinations. */
const withoutPort: SocketOption = { level: SOL_IP, name: IP_BIND_ADDRESS_NO_PORT };

/** The descriptor of a socket that is bound to the client's address and not connected, or why there is none. */
export function openClientSocket({ address, mark }: OriginalSource): number | Error {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const fd = openTcpSocket(family);
  if (typeof fd === 'string') return cannotOpen(address, `socket: ${fd}`);
  const refusal = prepare(fd, family, mark) ?? bindTo(fd, family, address);
  if (refusal === undefined) return fd;
  closeDescriptor(fd);
  return cannotOpen(address, refusal);
}

function prepare(fd: number, family: SocketFamily, mark: number): string | undefined {
  const refusal = setSocketOption(fd, transparent[family], 1);
  if (refusal !== undefined) return `IP_TRANSPARENT: ${describe(refusal)}`;
  const markRefusal = mark === 0 ? undefined : setSocketOption(fd, marked, mark);
  return markRefusal === undefined ? undefined : `SO_MARK: ${describe(markRefusal)}`;
}

function bindTo(fd: number, family: SocketFamily, address: string): string | undefined {
  // Kernels without it choose the port at once.
  setSocketOption(fd, withoutPort, 1);
  const refusal = bindTcpSocket(fd, family, addressBytes(address));
  return refusal === undefined ? undefined : `bind: ${refusal}`;
}

function describe(refusal: string): string {
  return refusal === 'EPERM' ? 'EPERM (it takes CAP_NET_ADMIN)' : refusal;
}

function cannotOpen(address: string, reason: string): Error {
  return new Error(`cannot connect in the name of ${address}: ${reason}`);
}

/** Why no such socket can be opened on this machine by this process; undefined when it can. */
export function findClientSocketFault(mark: number): string | undefined {
  const fd = openTcpSocket('ipv4');
  if (typeof fd === 'string') return fd;
  const refusal = prepare(fd, 'ipv4', mark);
  closeDescriptor(fd);
  return refusal === undefined ? undefined : `cannot connect in the name of clients: ${refusal}`;
}
