import { describe, expect, test } from 'vitest';
import { reachableHost, resolveHost } from '../../../pilot/cli/host-address.ts';

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

  test('that cannot be found is said in one sentence', async () => {
    await expect(resolveHost({ host: 'no.such.host.invalid', port: 1 }, 'the mixer')).rejects.toThrow(
      'the address of the mixer\'s host "no.such.host.invalid" cannot be found',
    );
  });
});
