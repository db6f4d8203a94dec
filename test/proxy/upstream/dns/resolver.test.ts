import { describe, expect, test } from 'vitest';
import type { DnsLookupFamily } from '../../../../proxy/api/dns.ts';
import { type DnsAnswer, type DnsQuery, NodeDnsResolver } from '../../../../proxy/upstream/dns/resolver.ts';
import { closeAfterTest } from '../../../support/closing.ts';
import { DnsServer } from '../../../support/dns-server.ts';

const resolver = new NodeDnsResolver();

function ask(query: Pick<DnsQuery, 'name'> & Partial<DnsQuery>): Promise<DnsAnswer> {
  return new Promise((resolve) => {
    resolver.resolve({ family: 'V4_ONLY', servers: [], timeoutMs: 5_000, ...query }, resolve);
  });
}

describe('servers of the configuration', () => {
  const start = async (): Promise<DnsServer> => closeAfterTest(await DnsServer.start({ 'a.test': ['192.0.2.1'] }));
  const serversOf = ({ port }: DnsServer): string[] => [`127.0.0.1:${port}`];

  test('tell addresses and the shortest time to live', async () => {
    const server = await start();
    server.records.set('a.test', { addresses: ['192.0.2.1', '192.0.2.2'], ttl: 7 });
    const answer = await ask({ name: 'a.test', servers: serversOf(server) });
    expect(answer).toEqual({ kind: 'addresses', addresses: ['192.0.2.1', '192.0.2.2'], ttlMs: 7_000 });
  });

  test.each<[DnsLookupFamily, DnsAnswer['kind']]>([
    ['V4_ONLY', 'addresses'],
    ['V4_PREFERRED', 'addresses'],
    ['AUTO', 'addresses'],
    ['ALL', 'addresses'],
    ['V6_ONLY', 'failure'],
  ])('of a host with an IPv4 address only, %s finds %s', async (family, kind) => {
    const server = await start();
    expect((await ask({ name: 'a.test', family, servers: serversOf(server) })).kind).toBe(kind);
  });

  test('that know no such name say so', async () => {
    const server = await start();
    const answer = await ask({ name: 'b.test', servers: serversOf(server) });
    expect(answer).toEqual({ kind: 'failure', code: 'ENOTFOUND' });
  });

  test('that say nothing are asked twice, within the time that there is', async () => {
    const server = await start();
    server.isSilent = true;
    const answer = await ask({ name: 'a.test', servers: serversOf(server), timeoutMs: 200 });
    expect(answer).toEqual({ kind: 'failure', code: 'ETIMEOUT' });
    expect(server.questions).toEqual(['a.test', 'a.test']);
  });
});

test('without servers the system is asked, which knows the hosts file', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask({ name: 'localhost' })));
  for (const answer of answers) expect(answer).toMatchObject({ kind: 'addresses', ttlMs: undefined });
});
