import { beforeEach, describe, expect, test } from 'vitest';
import type { DiscoveryRequest } from '../../../proxy/api/discovery.ts';
import type { EncodedResource } from '../../../pilot/xds/resource-encoder.ts';
import { Subscription } from '../../../pilot/xds/subscription.ts';

const resource = (name: string): EncodedResource => ({ name, version: '1', parts: () => [] });
const request = (given: Partial<DiscoveryRequest> = {}): DiscoveryRequest => ({
  typeUrl: '',
  versionInfo: '',
  responseNonce: '',
  resourceNames: [],
  node: undefined,
  errorDetail: undefined,
  ...given,
});

let subscription: Subscription;
const ask = (...resourceNames: string[]): boolean => subscription.receive(request({ resourceNames }), 0);
const send = (nonce: string, ...names: string[]): void => {
  subscription.markClean();
  subscription.recordSent({ version: 'v', nonce, sentAtMs: 1 }, { resources: names.map(resource), isComplete: false });
};
const answer = (responseNonce: string, given: Partial<DiscoveryRequest> = {}): boolean =>
  subscription.receive(request({ responseNonce, resourceNames: [...subscription.names], ...given }), 2);

beforeEach(() => {
  subscription = new Subscription();
});

describe('subscription', () => {
  test('no names mean everything, and so does *', () => {
    ask();
    expect(subscription.isWildcard).toBe(true);
    subscription = new Subscription();
    ask('*');
    expect(subscription.isWildcard).toBe(true);
  });

  test('no names after some names mean nothing, however often', () => {
    ask('a');
    ask();
    ask();
    expect(subscription.isWildcard).toBe(false);
    expect(subscription.names.size).toBe(0);
  });

  test('everything has to be looked at first, then only what is asked for in addition', () => {
    ask('a');
    expect(subscription.dirty).toBe('all');
    send('1', 'a');
    answer('1');
    expect(subscription.isSettled).toBe(true);
    ask('a', 'b');
    expect(subscription.dirty).toEqual(new Set(['b']));
  });

  test('a name that is dropped and asked for again has to be sent again', () => {
    ask('a', 'b');
    send('1', 'a', 'b');
    answer('1', { resourceNames: ['a'] });
    expect([...subscription.sent.keys()]).toEqual(['a']);
  });

  test('an ACK is remembered with its time', () => {
    ask('a');
    send('1', 'a');
    expect(subscription.isAwaitingAck).toBe(true);
    answer('1');
    expect(subscription.last?.outcome).toEqual({ kind: 'acked', atMs: 2 });
    expect(subscription.lastAcked).toBe(subscription.last);
  });

  test('a NACK keeps the version that was accepted before', () => {
    ask('a');
    send('1', 'a');
    answer('1');
    const accepted = subscription.lastAcked;
    send('2', 'a');
    answer('2', { errorDetail: { code: 3, message: 'no' } });
    expect(subscription.last?.outcome).toEqual({ kind: 'nacked', atMs: 2, reason: 'no' });
    expect(subscription.lastAcked).toBe(accepted);
  });

  test('an answer to an older response changes nothing, not even the names', () => {
    ask('a');
    send('1', 'a');
    send('2', 'a');
    expect(answer('1', { resourceNames: ['b'] })).toBe(false);
    expect(subscription.isAwaitingAck).toBe(true);
    expect([...subscription.names]).toEqual(['a']);
  });

  test('an answer to a response of another stream counts as a first request', () => {
    expect(answer('from-an-earlier-stream', { resourceNames: ['a'] })).toBe(true);
    expect([...subscription.names]).toEqual(['a']);
  });
});
