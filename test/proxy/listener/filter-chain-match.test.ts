import { describe, expect, test } from 'vitest';
import { matchesEverything } from '../../../proxy/api/filter-chain-match-decoder.ts';
import type { FilterChainMatch } from '../../../proxy/api/listener.ts';
import { type ConnectionFacts, FilterChainMatcher } from '../../../proxy/listener/filter-chain-match.ts';

type Chains = Readonly<Record<string, Partial<FilterChainMatch>>>;

/** The name of the chain that a connection gets; `default` is the default one. */
function find(chains: Chains, facts: Partial<ConnectionFacts>, hasDefault = false): string | undefined {
  const named = Object.entries(chains).map(([name, match]) => [{ ...matchesEverything, ...match }, name] as const);
  return new FilterChainMatcher(named, hasDefault ? 'default' : undefined).find({
    destinationAddress: '10.0.0.1',
    destinationPort: 80,
    sourceAddress: '10.9.9.9',
    sourcePort: 40_000,
    serverName: '',
    transportProtocol: 'raw_buffer',
    applicationProtocols: [],
    ...facts,
  });
}

const range = (address: string, prefixLength: number) => ({ address, prefixLength });

describe('the filter chain of a connection', () => {
  test('is the one of its destination port, before one that takes every port', () => {
    const chains = { any: {}, web: { destinationPort: 80 }, db: { destinationPort: 5432 } };
    expect([80, 5432, 99].map((destinationPort) => find(chains, { destinationPort }))).toEqual(['web', 'db', 'any']);
  });

  test('is the one of the narrowest range that its destination lies in', () => {
    const chains = {
      wide: { destinationRanges: [range('10.0.0.0', 8)] },
      host: { destinationRanges: [range('10.0.0.1', 32)] },
      six: { destinationRanges: [range('2001:db8::', 32)] },
      all: { destinationRanges: [range('0.0.0.0', 0)] },
    };
    const of = (destinationAddress: string) => find(chains, { destinationAddress });
    expect(['10.0.0.1', '10.1.2.3', '192.0.2.1', '2001:db8::7', '2001:db9::1'].map(of)).toEqual([
      'host',
      'wide',
      'all',
      'six',
      undefined,
    ]);
  });

  test('is the one of its server name: whole, then the longest wildcard', () => {
    const chains = {
      exact: { serverNames: ['www.example.com'] },
      long: { serverNames: ['*.api.example.com'] },
      short: { serverNames: ['*.example.com'] },
      none: {},
    };
    const of = (serverName: string) => find(chains, { serverName, transportProtocol: 'tls' });
    expect(['www.example.com', 'a.api.example.com', 'b.example.com', 'example.com', ''].map(of)).toEqual([
      'exact',
      'long',
      'short',
      'none',
      'none',
    ]);
  });

  test('is the one of the first protocol that the client offers and a chain knows', () => {
    const chains = {
      h2: { applicationProtocols: ['h2', 'h2c'] },
      h1: { applicationProtocols: ['http/1.1'] },
      rest: {},
    };
    const of = (...applicationProtocols: string[]) => find(chains, { applicationProtocols });
    expect([of('h2', 'http/1.1'), of('http/1.1', 'h2'), of('x', 'http/1.1'), of('x'), of()]).toEqual([
      'h2',
      'h1',
      'h1',
      'rest',
      'rest',
    ]);
  });

  test('depends on TLS, on the range of the client, and on its port', () => {
    const chains = {
      tls: { transportProtocol: 'tls' as const },
      near: { sourceRanges: [range('10.9.0.0', 16)] },
      port: { sourceRanges: [range('10.9.0.0', 16)], sourcePorts: [40_001] },
    };
    expect(find(chains, { transportProtocol: 'tls' })).toBe('tls');
    expect(find(chains, {})).toBe('near');
    expect(find(chains, { sourcePort: 40_001 })).toBe('port');
    expect(find(chains, { sourceAddress: '192.0.2.1' })).toBeUndefined();
  });

  test('is decided criterion by criterion, without a way back, as in Envoy', () => {
    // The port chooses the first; that its server name fits less well than the second does not count any more.
    const chains = { port: { destinationPort: 80, serverNames: ['a'] }, name: { serverNames: ['b'] } };
    expect(find(chains, { serverName: 'b', destinationPort: 81 })).toBe('name');
    expect(find(chains, { serverName: 'b' })).toBeUndefined();
    expect(find(chains, { serverName: 'b' }, true)).toBe('default');
  });

  test('is the default one where none matches, and none without it', () => {
    expect(find({ db: { destinationPort: 1 } }, {}, true)).toBe('default');
    expect(find({ db: { destinationPort: 1 } }, {})).toBeUndefined();
    expect(find({}, {}, true)).toBe('default');
  });
});
