/** What becomes of a packet under a set of rules: the kernel's part of the bargain, as far as the rules use it. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Chain, Condition } from '../../../../pilot/cli/capture/rules.ts';

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

/** Through all chains of the hook, in the order of their priorities. */
export function walk(chains: readonly Chain[], hook: 'prerouting' | 'output', packet: Packet): Fate {
  const passed = chains
    .filter((chain) => chain.hook.includes(` hook ${hook} `))
    .sort((a, b) => priorityOf(a) - priorityOf(b));
  let fate: Fate = {};
  let fields = packet;
  for (const chain of passed) {
    fate = { ...fate, ...walkChain(chain, fields) };
    if (fate.mark !== undefined) fields = { ...fields, 'meta mark': fate.mark };
  }
  return fate;
}

function priorityOf({ hook }: Chain): number {
  return Number(/priority (-?\d+)/.exec(hook)?.[1]);
}

function walkChain({ rules }: Chain, packet: Packet): Fate {
  let fate: Fate = {};
  for (const { conditions, statement } of rules) {
    if (!conditions.every((condition) => holds(condition, packet))) continue;
    fate = { ...fate, ...readStatement(statement, packet) };
    if (/return|accept|redirect/.test(statement)) return fate;
  }
  return fate;
}

function readStatement(statement: string, packet: Packet): Fate {
  const numberAfter = (words: RegExp): number | undefined => {
    const text = words.exec(statement)?.[1];
    return text === undefined ? undefined : Number(text);
  };
  const to = numberAfter(/ to :(\d+)/);
  const mark =
    numberAfter(/meta mark set (\d+)/) ?? (statement === 'meta mark set ct mark' ? packet['ct mark'] : undefined);
  const zone = numberAfter(/ct zone set (\d+)/);
  return {
    ...(to !== undefined && { to }),
    ...(statement.startsWith('tproxy') && { isTransparent: true }),
    ...(mark !== undefined && { mark: Number(mark) }),
    ...(zone !== undefined && { zone }),
    ...(statement.startsWith('ct mark set mark') && { connectionMark: Number(packet['meta mark']) }),
  };
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
