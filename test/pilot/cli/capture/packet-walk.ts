/** What becomes of a packet under a set of rules: the kernel's part of the bargain, as far as the rules use it. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Chain, Condition, Hook, Statement } from '../../../../pilot/cli/capture/rules.ts';

/** Fields by nft's names. What a packet does not have is absent: `ip6 daddr` of an IPv4 packet. */
export type Packet = Readonly<Record<string, string | number>>;

export interface Fate {
  /** The proxy's port that it was led to. */
  readonly to?: number;
  readonly isTransparent?: true;
  readonly mark?: number;
  /** On its connection: packets of both directions find it there. */
  readonly connectionMark?: number;
  readonly zone?: number;
}

const tables = ['raw', 'mangle', 'nat'];

/** Through all chains of the hook, in the order of their tables. */
export function walk(chains: readonly Chain[], hook: Hook, packet: Packet): Fate {
  const passed = chains
    .filter((chain) => chain.hook === hook)
    .sort((a, b) => tables.indexOf(a.table) - tables.indexOf(b.table));
  let fate: Fate = {};
  let fields = packet;
  for (const chain of passed) {
    fate = { ...fate, ...walkChain(chain, fields) };
    if (fate.mark !== undefined) fields = { ...fields, 'meta mark': fate.mark };
  }
  return fate;
}

function walkChain({ rules }: Chain, packet: Packet): Fate {
  let fate: Fate = {};
  for (const { conditions, statement } of rules) {
    if (!conditions.every((condition) => holds(condition, packet))) continue;
    fate = { ...fate, ...readStatement(statement, packet) };
    if (statement.kind !== 'set mark' && statement.kind !== 'restore mark') return fate;
  }
  return fate;
}

function readStatement(statement: Statement, packet: Packet): Fate {
  switch (statement.kind) {
    case 'return':
      return {};
    case 'redirect':
      return { to: statement.port };
    case 'tproxy':
      return { to: statement.port, isTransparent: true, mark: statement.mark };
    case 'set mark':
      return { mark: statement.mark };
    case 'save mark':
      return { connectionMark: Number(packet['meta mark']) };
    case 'restore mark':
      return packet['ct mark'] === undefined ? {} : { mark: Number(packet['ct mark']) };
    case 'set zone':
      return { zone: statement.zone };
  }
}

function holds({ field, isNegated = false, values }: Condition, packet: Packet): boolean {
  const present = packet[field];
  // A connection without a mark has mark 0; any other field that is not there meets nothing.
  if (present === undefined && !field.endsWith('mark')) return false;
  return values.some((value) => isSame(value, present ?? 0)) !== isNegated;
}

function isSame(value: string | number, present: string | number): boolean {
  const [address = '', length] = String(value).split('/');
  if (length === undefined || isIP(address) === 0) return value === present;
  const range = new BlockList();
  range.addSubnet(address, Number(length), isIPv6(address) ? 'ipv6' : 'ipv4');
  return range.check(String(present), isIPv6(String(present)) ? 'ipv6' : 'ipv4');
}
