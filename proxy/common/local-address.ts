/** Which IP addresses are this machine's own. */
import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('0.0.0.0', 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addAddress('::', 'ipv6');

/** Without a port; loopback is every machine's own. */
export function isLoopbackAddress(address: string): boolean {
  return loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** The address by which others may know this machine: its first IPv4 one that is not loopback; undefined when there is none. */
export function publicAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
}

/** `0.0.0.0` and `::` reach the machine too. Interfaces are asked for each time: addresses come and go. */
export function isLocalAddress(address: string): boolean {
  // Also finds IPv4 addresses that are mapped into IPv6.
  if (isLoopbackAddress(address)) return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((own) => own.address === address));
}
