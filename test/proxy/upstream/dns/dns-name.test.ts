import { describe, expect, test } from 'vitest';
import type { DnsPolicy } from '../../../../proxy/api/dns.ts';
import { DnsName } from '../../../../proxy/upstream/dns/dns-name.ts';
import type { DnsAnswer, DnsResolver } from '../../../../proxy/upstream/dns/resolver.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const policy: DnsPolicy = {
  family: 'V4_ONLY',
  servers: [],
  refreshMs: 60_000,
  respectsTtl: true,
  minRefreshMs: 5_000,
  failureRefresh: { baseMs: 1_000, maxMs: 8_000 },
  queryTimeoutMs: 5_000,
};
const found = (addresses: readonly string[], ttlMs?: number): DnsAnswer => ({ kind: 'addresses', addresses, ttlMs });
const missing: DnsAnswer = { kind: 'failure', code: 'ENOTFOUND' };

/** Answers each question with the next of `answers`; without one the question stays open. */
function follow(answers: readonly DnsAnswer[], overrides: Partial<DnsPolicy> = {}, name = 'a.test') {
  const clock = new ManualClock();
  const askedMs: number[] = [];
  const open: ((answer: DnsAnswer) => void)[] = [];
  const resolver: DnsResolver = {
    resolve(_query, done) {
      const answer = answers[askedMs.length];
      askedMs.push(clock.monotonicMs());
      if (answer === undefined) open.push(done);
      else done(answer);
    },
  };
  const dnsName = new DnsName(name, { ...policy, ...overrides }, { clock, random: () => 0.5, resolver });
  dnsName.start();
  return { clock, askedMs, dnsName, open };
}

describe('a name is asked for again', () => {
  test('after its time to live, but never sooner than the minimum', () => {
    const { clock, askedMs } = follow([found(['10.0.0.1'], 20_000), found(['10.0.0.1'], 100)]);
    clock.advance(30_000);
    expect(askedMs).toEqual([0, 20_000, 25_000]);
  });

  test('after the refresh rate where no time to live is known, or none is to be respected', () => {
    const unknown = follow([found(['10.0.0.1'])]);
    unknown.clock.advance(61_000);
    expect(unknown.askedMs).toEqual([0, 60_000]);
    const ignored = follow([found(['10.0.0.1'], 20_000)], { respectsTtl: false });
    ignored.clock.advance(61_000);
    expect(ignored.askedMs).toEqual([0, 60_000]);
  });

  test('with a growing back-off while it cannot be found', () => {
    const { clock, askedMs } = follow([missing, missing, missing, missing, missing]);
    clock.advance(12_000);
    expect(askedMs).toEqual([0, 500, 1_500, 3_500, 7_500, 11_500]);
  });

  test('never when it is an address', () => {
    const { clock, askedMs, dnsName } = follow([], {}, '10.0.0.7');
    clock.advance(1_000_000);
    expect(askedMs).toEqual([]);
    expect(dnsName).toMatchObject({ isPending: false, addresses: ['10.0.0.7'] });
  });

  test('never after it was closed, and whoever still waited is told', () => {
    const { clock, askedMs, dnsName } = follow([]);
    let told = 0;
    dnsName.addUser({ onLookedUp: () => (told += 1) });
    dnsName.close();
    clock.advance(1_000_000);
    expect([told, askedMs.length, dnsName.isPending]).toEqual([1, 1, false]);
  });
});

describe('what is known of a name', () => {
  test('stays when a lookup fails', () => {
    const { clock, dnsName } = follow([found(['10.0.0.1']), missing]);
    clock.advance(60_000);
    expect(dnsName).toMatchObject({ addresses: ['10.0.0.1'], failure: 'ENOTFOUND', isChanged: false });
  });

  test('is the same object while only the order of addresses changes', () => {
    const { clock, dnsName } = follow([found(['10.0.0.1', '10.0.0.2']), found(['10.0.0.2', '10.0.0.1'])]);
    const { addresses } = dnsName;
    clock.advance(60_000);
    expect(dnsName.addresses).toBe(addresses);
  });

  test('is a failure when no answer comes in time, and a late answer does not count', () => {
    const { clock, dnsName, open } = follow([]);
    clock.advance(5_000);
    expect(dnsName).toMatchObject({ isPending: false, failure: 'ETIMEOUT' });
    open[0]?.(found(['10.0.0.1']));
    expect(dnsName.addresses).toEqual([]);
  });
});
