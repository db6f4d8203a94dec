/** Which IP addresses are this machine's own. */
import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('0.0.0.0', 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addAddress('::', 'ipv6');

/** `0.0.0.0` and `::` reach the machine too. Interfaces are asked for each time: addresses come and go. */
export function isLocalAddress(address: string): boolean {
  // Also finds IPv4 addresses that are mapped into IPv6.
  if (loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((own) => own.address === address));
}
