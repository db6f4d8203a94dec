/** What belongs to the rules but is no rule of nft's: routes, and an address of the loopback interface. */
import { tproxyMark } from './rules.ts';
import type { CaptureOptions } from './capture-options.ts';

/** One call of `ip`. */
export interface IpCommand {
  readonly args: readonly string[];
  /** What `ip` says when there is nothing to do, because it is done. */
  readonly whenDone: RegExp;
}

/** Istio's number. It is also the protocol that names what is ours, so that it alone is removed. */
const table = '133';
const priority = '1337';

/** A namespace without IPv6 has no IPv6 routes either. */
export function ipFamilies(hasIPv6: boolean): readonly string[] {
  return hasIPv6 ? ['-4', '-6'] : ['-4'];
}

/** With TPROXY packets are addressed to somebody else: the mark has them delivered to this pod all the same. */
export function routingCommands({ interceptionMode, includeInboundPorts }: CaptureOptions): readonly string[][] {
  if (interceptionMode !== 'TPROXY' || includeInboundPorts.length === 0) return [];
  return [
    ['rule', 'add', 'fwmark', String(tproxyMark), 'lookup', table, 'priority', priority, 'protocol', table],
    ['route', 'replace', 'local', 'default', 'dev', 'lo', 'table', table, 'protocol', table],
  ];
}

const unroutingCommands: readonly string[][] = [
  ['rule', 'flush', 'protocol', table],
  ['route', 'flush', 'table', table, 'protocol', table],
];

/**
 * The address from which the proxy calls the application over IPv6, where IPv4 has 127.0.0.6 without further ado.
 * Deprecated from the start: no other program's connection gets it for a source.
 */
const address = ['::6/128', 'dev', 'lo'];

export function setUpCommands(options: CaptureOptions, hasIPv6: boolean): readonly IpCommand[] {
  const whenDone = /File exists/;
  return [
    ...ipFamilies(hasIPv6).flatMap((family) =>
      routingCommands(options).map((args) => ({ args: [family, ...args], whenDone })),
    ),
    ...(hasIPv6 ? [{ args: ['-6', 'address', 'replace', ...address, 'preferred_lft', '0', 'nodad'], whenDone }] : []),
  ];
}

/** Of a mode with routes that is no longer wanted. */
export function unroutingOf(hasIPv6: boolean): readonly IpCommand[] {
  const whenDone = /FIB table does not exist/;
  return ipFamilies(hasIPv6).flatMap((family) =>
    unroutingCommands.map((args) => ({ args: [family, ...args], whenDone })),
  );
}

export function removalCommands(hasIPv6: boolean): readonly IpCommand[] {
  const removal = { args: ['-6', 'address', 'del', ...address], whenDone: /address not found|Cannot assign/ };
  return [...unroutingOf(hasIPv6), ...(hasIPv6 ? [removal] : [])];
}
