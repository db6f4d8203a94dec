/** Addresses of other machines' programs. */
import { lookup } from 'node:dns/promises';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { CommandError } from './exit-code.ts';
import type { HostPort } from './option-parsers.ts';

/** The same with the host as an IP address. `what` names it in the error of one that cannot be found. */
export async function resolveHost({ host, port }: HostPort, what: string): Promise<HostPort> {
  try {
    return { host: (await lookup(host)).address, port };
  } catch {
    throw new CommandError(`the address of ${what}'s host "${host}" cannot be found`);
  }
}

/** As it stands, a name too, once it is known to be found: one that is mistyped should not be waited for. */
export async function knownHost(address: HostPort, what: string): Promise<HostPort> {
  await resolveHost(address, what);
  return address;
}

/** The first address at which other machines reach this one, IPv4 before IPv6; undefined when there is none. */
export function ownAddress(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces()): string | undefined {
  const found = Object.values(interfaces).flatMap((addresses = []) => addresses);
  // An address of its link alone says nothing without the interface.
  const reachable = found.filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address));
  return (reachable.find(({ family }) => family === 'IPv4') ?? reachable[0])?.address;
}

/** Where programs of this machine reach a server that listens at `host`: a wildcard is no address to connect to. */
export function reachableHost(host: string): string {
  return isWildcard(host) ? '127.0.0.1' : host;
}

/** `0.0.0.0`, `::` and the other spellings of an IP address that is all zeros. */
function isWildcard(address: string): boolean {
  return /^[0.:]+$/.test(address);
}
