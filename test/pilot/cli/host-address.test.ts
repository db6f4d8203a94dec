import { describe, expect, test } from 'vitest';
import { knownHost, ownAddress, reachableHost, resolveHost } from '../../../pilot/cli/host-address.ts';

describe('where a server is reached', () => {
  test.each(['0.0.0.0', '::', '::0', '0:0:0:0:0:0:0:0', '::0.0.0.0'])('that listens at %s: on loopback', (host) => {
    expect(reachableHost(host)).toBe('127.0.0.1');
  });

  test.each(['127.0.0.1', '::1', '10.0.0.7', 'fd00::1'])('that listens at %s: there', (host) => {
    expect(reachableHost(host)).toBe(host);
  });
});

describe('the address of a host', () => {
  test('is that of its name; an address stays what it is', async () => {
    expect(await resolveHost({ host: '10.0.0.7', port: 1 }, 'pilot')).toEqual({ host: '10.0.0.7', port: 1 });
    expect((await resolveHost({ host: 'localhost', port: 1 }, 'pilot')).host).toMatch(/^(127\.0\.0\.1|::1)$/);
  });

  test('of a name that is looked up again later is only known to be there', async () => {
    expect(await knownHost({ host: 'localhost', port: 1 }, 'pilot')).toEqual({ host: 'localhost', port: 1 });
    await expect(knownHost({ host: 'no.such.host.invalid', port: 1 }, 'pilot')).rejects.toThrow(/cannot be found/);
  });

  test('that cannot be found is said in one sentence', async () => {
    await expect(resolveHost({ host: 'no.such.host.invalid', port: 1 }, 'the mixer')).rejects.toThrow(
      'the address of the mixer\'s host "no.such.host.invalid" cannot be found',
    );
  });
});

describe('the address that others reach this host at', () => {
  const at = (address: string, internal = false) => ({
    address,
    internal,
    family: address.includes(':') ? ('IPv6' as const) : ('IPv4' as const),
    netmask: '',
    mac: '',
    cidr: null,
    scopeid: 0,
  });

  test('is the first IPv4 address of no loopback, else the first IPv6 address that works beyond its link', () => {
    const loopback = [at('127.0.0.1', true), at('::1', true)];
    const link = at('fe80::1');
    expect(ownAddress({ lo: loopback, eth0: [link, at('fd00::1'), at('10.0.0.7')], eth1: [at('10.0.0.8')] })).toBe(
      '10.0.0.7',
    );
    expect(ownAddress({ lo: loopback, eth0: [link, at('fd00::1')] })).toBe('fd00::1');
    expect(ownAddress({ lo: loopback, eth0: [link] })).toBeUndefined();
  });
});
