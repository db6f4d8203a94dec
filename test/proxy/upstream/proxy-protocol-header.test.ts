import { describe, expect, test } from 'vitest';
import { encodeProxyHeader } from '../../../proxy/upstream/proxy-protocol-header.ts';

const own = { remoteAddress: '10.0.0.1:40000', localAddress: '10.0.0.2:80' };
const ipv4 = { remoteAddress: '192.0.2.7:51000', localAddress: '198.51.100.9:443' };
const ipv6 = { remoteAddress: '2001:db8::7:51000', localAddress: 'fd00::1:443' };
const mapped = { remoteAddress: '::ffff:192.0.2.7:51000', localAddress: '198.51.100.9:443' };

describe('a PROXY header of version 1', () => {
  test.each([
    ['names the client and where it wanted to go', ipv4, 'PROXY TCP4 192.0.2.7 198.51.100.9 51000 443'],
    ['names addresses of IPv6', ipv6, 'PROXY TCP6 2001:db8::7 fd00::1 51000 443'],
    ['says IPv4 of addresses that are mapped into IPv6', mapped, 'PROXY TCP4 192.0.2.7 198.51.100.9 51000 443'],
    ["names the connection's own ends without a client", undefined, 'PROXY TCP4 10.0.0.1 10.0.0.2 40000 80'],
    ['says UNKNOWN of a client that has hung up', { ...ipv4, remoteAddress: '-:0' }, 'PROXY UNKNOWN'],
    ['says UNKNOWN of two families', { ...ipv4, localAddress: '::1:80' }, 'PROXY UNKNOWN'],
  ])('%s', (_, downstream, line) => {
    expect(encodeProxyHeader('V1', downstream, own).toString('latin1')).toBe(`${line}\r\n`);
  });
});

const signature = '0d0a0d0a000d0a515549540a';

describe('a PROXY header of version 2', () => {
  test.each([
    ['names the client and where it wanted to go', ipv4, '21 11 000c c0000207 c6336409 c738 01bb'],
    [
      'names addresses of IPv6',
      ipv6,
      '21 21 0024 20010db8000000000000000000000007 fd000000000000000000000000000001 c738 01bb',
    ],
    ['says IPv4 of addresses that are mapped into IPv6', mapped, '21 11 000c c0000207 c6336409 c738 01bb'],
    ['says LOCAL without a client', undefined, '20 00 0000'],
    ['says LOCAL of a client that has hung up', { ...ipv4, remoteAddress: '-:0' }, '20 00 0000'],
  ])('%s', (_, downstream, rest) => {
    expect(encodeProxyHeader('V2', downstream, own).toString('hex')).toBe(signature + rest.replaceAll(' ', ''));
  });
});
