import { expect, test } from 'vitest';
import { destinationOf } from '../../../../proxy/upstream/dns/destination.ts';

test.each([
  ['example.com', 'example.com', 80],
  ['Example.COM:8080', 'example.com', 8080],
  ['example.com.:81', 'example.com.', 81],
  ['example.com:', 'example.com', 80],
  ['10.0.0.1', '10.0.0.1', 80],
  ['10.0.0.1:9080', '10.0.0.1', 9080],
  ['[::1]', '::1', 80],
  ['[2001:db8::1]:8080', '2001:db8::1', 8080],
  ['a_b.example.com', 'a_b.example.com', 80],
])('%s is port %s of %s', (authority, name, port) => {
  expect(destinationOf(authority)).toEqual({ key: `${name}:${port}`, name, port });
});

test.each(['', ':80', 'a b', 'a..b', '-a.com', '[::1', '::1', '[10.0.0.1]', 'a:0', 'a:65536', 'a:b', 'a/b', 'a@b'])(
  '%j names no host',
  (authority) => {
    expect(destinationOf(authority)).toBeUndefined();
  },
);
