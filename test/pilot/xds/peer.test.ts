import { expect, test } from 'vitest';
import { describePeer } from '../../../pilot/xds/peer.ts';

test.each([
  '127.0.0.1:4711',
  '127.8.9.10:1',
  '[::1]:4711',
  '::1:4711',
  '[::ffff:127.0.0.1]:4711',
  '::ffff:127.0.0.1:4711',
])('whoever calls from this machine is trusted: %s', (address) => {
  expect(describePeer(address, false)).toEqual({ name: address, isTrusted: true });
});

test.each(['192.0.2.7:4711', '[2001:db8::1]:4711', '[::]:1', '128.0.0.1:1', '[::ffff:192.0.2.7]:1', 'unknown', ''])(
  'whoever calls from elsewhere is trusted by a certificate alone: %s',
  (address) => {
    expect(describePeer(address, false).isTrusted).toBe(false);
    expect(describePeer(address, true).isTrusted).toBe(true);
  },
);
