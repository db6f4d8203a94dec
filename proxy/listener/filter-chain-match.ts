/**
 * Pure: which filter chain a connection gets. Envoy's rule (docs `FilterChainMatch`): criteria are looked at in a fixed
 * order, each keeps those that match it most closely, and what was sorted out does not come back.
 */
import { BlockList, isIPv6 } from 'node:net';
import type { OriginalSource } from '../common/client-socket.ts';
import type { CidrRange, FilterChain, FilterChainMatch } from '../api/listener.ts';

/** What is known of a connection when its chain is chosen. */
export interface ConnectionFacts {
  /** Where the client wanted to go, before any redirection. */
  readonly destinationAddress: string;
  readonly destinationPort: number;
  readonly sourceAddress: string;
  readonly sourcePort: number;
  /** Of the ClientHello, lower case; empty when there is none. */
  readonly serverName: string;
  readonly transportProtocol: 'raw_buffer' | 'tls';
  /** What the client offers or speaks, in its order of preference. */
  readonly applicationProtocols: readonly string[];
  /** In whose name its upstream connections are made; undefined: in the proxy's own. */
  readonly originalSource?: OriginalSource | undefined;
}

/** How closely a chain matches by one criterion: 0 where it does not care, negative where it does not match. */
type Score = (facts: ConnectionFacts) => number;

interface CompiledChain<C> {
  readonly chain: C;
  readonly scores: readonly Score[];
}

const noMatch = -1;

export class FilterChainMatcher<C> {
  readonly #chains: readonly CompiledChain<C>[];
  readonly #criteria: number;
  readonly #defaultChain: C | undefined;

  /** `chains`: what is found, by what it is found. */
  constructor(chains: readonly (readonly [match: FilterChainMatch, chain: C])[], defaultChain: C | undefined) {
    this.#chains = chains.map(([match, chain]) => ({ chain, scores: compileScores(match) }));
    this.#criteria = this.#chains[0]?.scores.length ?? 0;
    this.#defaultChain = defaultChain;
  }

  /** Undefined: nobody serves such connections. */
  find(facts: ConnectionFacts): C | undefined {
    let candidates = this.#chains;
    for (let criterion = 0; criterion < this.#criteria && candidates.length > 0; criterion++) {
      candidates = closest(candidates, criterion, facts);
    }
    return candidates[0]?.chain ?? this.#defaultChain;
  }
}

function closest<C>(
  candidates: readonly CompiledChain<C>[],
  criterion: number,
  facts: ConnectionFacts,
): readonly CompiledChain<C>[] {
  let best = noMatch;
  let kept: CompiledChain<C>[] = [];
  for (const candidate of candidates) {
    const score = candidate.scores[criterion]?.(facts) ?? noMatch;
    if (score < best || score === noMatch) continue;
    if (score > best) kept = [];
    best = score;
    kept.push(candidate);
  }
  return kept;
}

/** In Envoy's order. */
function compileScores(match: FilterChainMatch): readonly Score[] {
  const { destinationPort, destinationRanges, serverNames, transportProtocol, applicationProtocols } = match;
  return [
    scoreOf(destinationPort !== undefined, (facts) => facts.destinationPort === destinationPort),
    compileRanges(destinationRanges, (facts) => facts.destinationAddress),
    compileServerNames(serverNames),
    scoreOf(transportProtocol !== '', (facts) => facts.transportProtocol === transportProtocol),
    compileApplicationProtocols(applicationProtocols),
    compileRanges(match.sourceRanges, (facts) => facts.sourceAddress),
    scoreOf(match.sourcePorts.length > 0, (facts) => match.sourcePorts.includes(facts.sourcePort)),
  ];
}

function scoreOf(cares: boolean, holds: (facts: ConnectionFacts) => boolean): Score {
  return cares ? (facts) => (holds(facts) ? 1 : noMatch) : () => 0;
}

/** The longest prefix is the closest. */
function compileRanges(ranges: readonly CidrRange[], addressOf: (facts: ConnectionFacts) => string): Score {
  if (ranges.length === 0) return () => 0;
  const lists = ranges
    .map((range) => ({ list: blockListOf(range), score: range.prefixLength + 1 }))
    .sort((a, b) => b.score - a.score);
  return (facts) => {
    const address = addressOf(facts);
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    return lists.find(({ list }) => list.check(address, family))?.score ?? noMatch;
  };
}

function blockListOf({ address, prefixLength }: CidrRange): BlockList {
  const list = new BlockList();
  list.addSubnet(address, prefixLength, isIPv6(address) ? 'ipv6' : 'ipv4');
  return list;
}

/** A whole name, then the longest `*.suffix`. */
function compileServerNames(names: readonly string[]): Score {
  if (names.length === 0) return () => 0;
  return ({ serverName }) => {
    let best = noMatch;
    for (const name of names) {
      if (name === serverName) return Infinity;
      const isUnder = name.startsWith('*') && serverName.length >= name.length && serverName.endsWith(name.slice(1));
      if (isUnder && name.length > best) best = name.length;
    }
    return best;
  };
}

/** The client's first choice that a chain knows. */
function compileApplicationProtocols(known: readonly string[]): Score {
  if (known.length === 0) return () => 0;
  return ({ applicationProtocols }) => {
    const index = applicationProtocols.findIndex((protocol) => known.includes(protocol));
    return index < 0 ? noMatch : applicationProtocols.length - index;
  };
}

/** The matcher of a listener's chains, each as `create` makes it. */
export function matcherOf<C>(
  chains: readonly FilterChain[],
  defaultChain: FilterChain | undefined,
  create: (chain: FilterChain) => C,
): FilterChainMatcher<C> {
  return new FilterChainMatcher(
    chains.map((chain) => [chain.match, create(chain)] as const),
    defaultChain && create(defaultChain),
  );
}
