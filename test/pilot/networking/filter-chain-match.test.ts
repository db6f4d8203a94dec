import { describe, expect, test } from 'vitest';
import {
  ClaimedConnections,
  httpOnly,
  ofServerNames,
  soleAddressOf,
  toSubnets,
} from '../../../pilot/networking/filter-chain-match.ts';

describe('blocks of addresses', () => {
  const rangesOf = (...subnets: string[]) =>
    toSubnets(subnets).prefix_ranges?.map(({ address_prefix, prefix_len }) => `${address_prefix}/${prefix_len}`);

  test.each([
    ['10.1.2.3', '10.1.2.3/32'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.255.255.255/9', '10.128.0.0/9'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['fd00::1', 'fd00::1/128'],
    ['fd12:3456::1/12', 'fd10::/12'],
    ['fd00:0:0:1:ffff::/65', 'fd00:0:0:1:8000::/65'],
    ['::ffff:10.0.0.1', '::ffff:a00:1/128'],
    ['fe80::1%eth0', 'fe80::1/128'],
  ])('%s is %s', (subnet, range) => {
    expect(rangesOf(subnet)).toEqual([range]);
  });

  test('are listed once, in order', () => {
    expect(rangesOf('10.2.0.0/16', '10.1.0.0/16', '10.1.9.9/16')).toEqual(['10.1.0.0/16', '10.2.0.0/16']);
  });

  test('that are everything are no condition', () => {
    expect(toSubnets([])).toEqual({});
    expect(toSubnets(['10.0.0.0/8', '0.0.0.0/0'])).toEqual({});
  });

  test('of one address are that address', () => {
    expect(soleAddressOf('10.0.0.1/32')).toBe('10.0.0.1');
    expect(soleAddressOf('fd00:0::1')).toBe('fd00::1');
    expect(soleAddressOf('10.0.0.0/31')).toBeUndefined();
  });
});

describe('names of servers', () => {
  test('are compared in lower case, and sorted', () => {
    expect(ofServerNames(['b.example.com', 'A.example.com', '*.example.com', 'a.example.com'])).toEqual({
      server_names: ['*.example.com', 'a.example.com', 'b.example.com'],
    });
  });

  test('that are all are no condition, and a part of a label is none that Envoy knows', () => {
    expect(ofServerNames([])).toEqual({});
    expect(ofServerNames(['*', 'a.example.com'])).toEqual({});
    expect(ofServerNames(['*-a.example.com'])).toBeUndefined();
  });
});

describe('connections that chains claim', () => {
  test('are claimed once', () => {
    const claimed = new ClaimedConnections();
    expect(claimed.claim({})).toEqual([{}]);
    expect(claimed.claim({})).toEqual([]);
    expect(claimed.claim(httpOnly({}))).toEqual([httpOnly({})]);
  });

  test('are what is left of addresses and names together', () => {
    const claimed = new ClaimedConnections();
    const match = (subnets: string[], names: string[]) => ({ ...toSubnets(subnets), ...ofServerNames(names) });
    claimed.claim(match(['10.0.0.0/8'], ['a', 'b']));
    expect(claimed.claim(match(['10.0.0.0/8', '11.0.0.0/8'], ['b', 'c']))).toEqual([
      match(['10.0.0.0/8'], ['c']),
      match(['11.0.0.0/8'], ['b', 'c']),
    ]);
  });
});
