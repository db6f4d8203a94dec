import { expect, test } from 'vitest';
import { parseResolvConf, readSystemResolvers } from '../../../proxy/dns/system-resolvers.ts';

test('resolv.conf names servers and search domains', () => {
  const text =
    '# by dhcp\nnameserver 10.96.0.10\nnameserver  fd00::a ; v6\nsearch default.svc.cluster.local SVC.cluster.local.\n';
  expect(parseResolvConf(text)).toEqual({
    servers: [
      { address: '10.96.0.10', port: 53 },
      { address: 'fd00::a', port: 53 },
    ],
    searchDomains: ['default.svc.cluster.local', 'svc.cluster.local'],
  });
});

test('the last of search and domain counts', () => {
  expect(parseResolvConf('search a b\ndomain c d\n').searchDomains).toEqual(['c']);
  expect(parseResolvConf('domain c\nsearch a b\n').searchDomains).toEqual(['a', 'b']);
});

test('beyond three servers the others are not asked', () => {
  const text = [1, 2, 3, 4].map((n) => `nameserver 192.0.2.${n}`).join('\n');
  expect(parseResolvConf(text).servers.map(({ address }) => address)).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
});

test('what is no server is none', () => {
  expect(parseResolvConf('nameserver\nnameserver example.com\noptions ndots:5\n\n')).toEqual({
    servers: [{ address: '127.0.0.1', port: 53 }],
    searchDomains: [],
  });
});

test('without the file this machine is asked', () => {
  expect(readSystemResolvers('/nonexistent/resolv.conf').servers).toEqual([{ address: '127.0.0.1', port: 53 }]);
});
