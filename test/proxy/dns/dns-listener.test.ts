import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Resolver } from 'node:dns/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { idleTimeoutMs } from '../../../proxy/dns/tcp-session.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { dnsListener, type DnsListenerJson } from '../../support/dns-json.ts';
import { askUdp, dnsQuery, DnsTcpClient, readHeader, withLength, words } from '../../support/dns-message.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { requirePeers } from '../../support/peers.ts';
import { type PartsOptions, ProxyParts } from '../../support/proxy-parts.ts';
import { until } from '../../support/turns.ts';
import { requireIPv6 } from '../../support/ipv6.ts';
import { unusedPort } from '../../support/unused-port.ts';

const names = {
  'reviews.default.svc.cluster.local': ['240.240.0.1'],
  reviews: ['240.240.0.1'],
  'dual.example.com': ['192.0.2.7', '2001:db8::7'],
  'six.example.com': ['2001:db8:0:0:1::c000:207', '::ffff:192.0.2.9'],
  '*.wild.example.com': ['192.0.2.20'],
  '*.deep.wild.example.com': ['192.0.2.21'],
  'own.wild.example.com': ['192.0.2.22'],
};

async function serve(json: DnsListenerJson = { names }, options: PartsOptions = {}): Promise<ProxyParts> {
  const proxy = closeAfterTest(await new ProxyParts({ listeners: [], ...options }).start());
  expect(await proxy.replaceListeners([dnsListener(json)])).toEqual([]);
  return proxy;
}

function resolverOf(proxy: ProxyParts): Resolver {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${proxy.port()}`]);
  return resolver;
}

async function ask(proxy: ProxyParts, message: Buffer): Promise<Buffer> {
  const answer = await askUdp(proxy.port(), message);
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

describe('names of the table', () => {
  test('are answered in either family, for 30 seconds', async () => {
    const resolver = resolverOf(await serve());
    expect(await resolver.resolve4('reviews.default.svc.cluster.local', { ttl: true })).toEqual([
      { address: '240.240.0.1', ttl: 30 },
    ]);
    expect(await resolver.resolve4('dual.example.com')).toEqual(['192.0.2.7']);
    expect(await resolver.resolve6('dual.example.com')).toEqual(['2001:db8::7']);
    expect((await resolver.resolve6('six.example.com')).sort()).toEqual(['2001:db8::1:0:c000:207', '::ffff:192.0.2.9']);
  });

  test('are found however they are written, and answered as they were written', async () => {
    const proxy = await serve();
    expect(await resolverOf(proxy).resolve4('REVIEWS.Default.svc.Cluster.local')).toEqual(['240.240.0.1']);
    const query = dnsQuery('REVIEWS');
    expect((await ask(proxy, query)).subarray(12, query.length)).toEqual(query.subarray(12));
  });

  test('exist without records where they have an address of the other family only', async () => {
    const proxy = await serve();
    await expect(resolverOf(proxy).resolve6('reviews')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolverOf(proxy).resolve4('six.example.com')).rejects.toMatchObject({ code: 'ENODATA' });
    expect(readHeader(await ask(proxy, dnsQuery('reviews', { type: 28 })))).toMatchObject({ code: 0, answers: 0 });
  });

  test('may stand for every name below them, the longest and the own name first', async () => {
    const resolver = resolverOf(await serve());
    expect(await resolver.resolve4('a.wild.example.com')).toEqual(['192.0.2.20']);
    expect(await resolver.resolve4('a.b.wild.example.com')).toEqual(['192.0.2.20']);
    expect(await resolver.resolve4('a.deep.wild.example.com')).toEqual(['192.0.2.21']);
    expect(await resolver.resolve4('own.wild.example.com')).toEqual(['192.0.2.22']);
    await expect(resolver.resolve4('wild.example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  test('with several addresses begin with another one now and then', async () => {
    const addresses = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];
    const resolver = resolverOf(await serve({ names: { many: addresses } }));
    const first = new Set<string>();
    for (let i = 0; i < 40; i += 1) {
      const answered = await resolver.resolve4('many');
      expect([...answered].sort()).toEqual(addresses);
      first.add(answered[0] ?? '');
    }
    expect(first).toEqual(new Set(addresses));
  });

  test('are all there is without resolvers: others do not exist', async () => {
    const proxy = await serve();
    expect(readHeader(await ask(proxy, dnsQuery('ratings')))).toMatchObject({ code: 3, isAuthoritative: false });
  });

  test('are answered to whoever asks with EDNS by EDNS, but not in versions to come', async () => {
    const proxy = await serve();
    const answer = await ask(proxy, dnsQuery('reviews', { ednsBytes: 4096, isDnssecOk: true }));
    expect(readHeader(answer)).toMatchObject({ code: 0, answers: 1, additional: 1 });
    expect(answer.subarray(-11)).toEqual(Buffer.from([0, 0, 41, 1232 >> 8, 1232 & 0xff, 0, 0, 0x80, 0, 0, 0]));
    const later = await ask(proxy, dnsQuery('reviews', { ednsBytes: 4096, ednsVersion: 1 }));
    // BADVERS is 16: the upper bits stand in the OPT record.
    expect(readHeader(later)).toMatchObject({ code: 0, answers: 0 });
    expect(later.at(-6)).toBe(1);
  });

  test('are understood by dig', async (context) => {
    requirePeers(context, 'dig');
    const port = String((await serve()).port());
    const dig = await promisify(execFile)('dig', ['+short', '-p', port, '@127.0.0.1', 'reviews', 'A']);
    expect(dig.stdout).toBe('240.240.0.1\n');
  });
});

describe('a listener on loopback of both families', () => {
  const at = (address: string, port_value: number) =>
    ({ address: { socket_address: { protocol: 'UDP', address, port_value } } }) as const;

  test('answers on each, over UDP and TCP', async (context) => {
    requireIPv6(context);
    const port = await unusedPort();
    const both = { ...dnsListener({ port, names }), additional_addresses: [at('::1', port)] };
    const proxy = closeAfterTest(await new ProxyParts({ listeners: [] }).start());
    expect(await proxy.replaceListeners([both])).toEqual([]);
    expect(proxy.listeners.list()[0]?.addresses).toEqual([
      { address: '127.0.0.1', port },
      { address: '::1', port },
    ]);
    for (const address of ['127.0.0.1', '[::1]']) {
      const resolver = new Resolver({ timeout: 2_000, tries: 2 });
      resolver.setServers([`${address}:${port}`]);
      expect(await resolver.resolve4('reviews')).toEqual(['240.240.0.1']);
      const args = ['+short', '+tcp', '-p', String(port), `@${address.replace(/[[\]]/g, '')}`, 'reviews', 'A'];
      const dig = await promisify(execFile)('dig', args);
      expect(dig.stdout).toBe('240.240.0.1\n');
    }
    expect(await proxy.replaceListeners([])).toEqual([]);
    await expect(
      promisify(execFile)('dig', ['+tries=1', '+time=1', '-p', String(port), '@::1', 'a']),
    ).rejects.toThrow();
  });

  test('is refused whole where the additional address is taken', async (context) => {
    requireIPv6(context);
    const port = await unusedPort();
    const taken = createSocket('udp6').bind(port, '::1');
    closeAfterTest({ close: () => void taken.close() });
    await once(taken, 'listening');
    const both = { ...dnsListener({ port, names }), additional_addresses: [at('::1', port)] };
    const proxy = closeAfterTest(await new ProxyParts({ listeners: [] }).start());
    expect(await proxy.replaceListeners([both])).toEqual([
      expect.stringMatching(/^dns: cannot listen on ::1:\d+: .*EADDRINUSE/),
    ]);
    expect(await proxy.replaceListeners([dnsListener({ port, names })])).toEqual([]);
  });

  test('is not of two protocols', async () => {
    const tcp = { address: { socket_address: { address: '::1', port_value: 1 } } };
    const proxy = closeAfterTest(await new ProxyParts({ listeners: [] }).start());
    await expect(async () =>
      proxy.replaceListeners([{ ...dnsListener({ names }), additional_addresses: [tcp] }]),
    ).rejects.toThrow("must be of the listener's protocol, UDP, got TCP");
  });
});

describe('a search domain', () => {
  const searchDomains = ['default.svc.cluster.local', 'svc.cluster.local', 'corp.example'];

  test('appended to a name that is known makes one that does not exist, at once', async () => {
    const proxy = await serve({ names }, { searchDomains });
    const resolver = resolverOf(proxy);
    const known = 'reviews.default.svc.cluster.local';
    for (const domain of searchDomains) {
      await expect(resolver.resolve4(`${known}.${domain}`)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    }
    await expect(resolver.resolve4('a.wild.example.com.corp.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(proxy.stat('dns_filter.dns.expanded_name_queries')).toBe(4);
    expect(await resolver.resolve4(known)).toEqual(['240.240.0.1']);
  });

  test('wins over a wildcard of the table, and loses to a name of its own', async () => {
    const table = { ...names, '*.corp.example': ['192.0.2.30'], 'dual.example.com.corp.example': ['192.0.2.31'] };
    const resolver = resolverOf(await serve({ names: table }, { searchDomains }));
    await expect(resolver.resolve4('six.example.com.corp.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(await resolver.resolve4('dual.example.com.corp.example')).toEqual(['192.0.2.31']);
    expect(await resolver.resolve4('mail.corp.example')).toEqual(['192.0.2.30']);
  });
});

describe('an answer that is too long', () => {
  const many = Array.from({ length: 40 }, (_, i) => `192.0.2.${i + 1}`);

  test('for a datagram holds what fits and says so', async () => {
    const proxy = await serve({ names: { many } });
    const short = await ask(proxy, dnsQuery('many'));
    expect(short.length).toBeLessThanOrEqual(512);
    expect(readHeader(short)).toMatchObject({ isTruncated: true, answers: 30 });
    expect(readHeader(await ask(proxy, dnsQuery('many', { ednsBytes: 100 }))).answers).toBe(29);
    expect(readHeader(await ask(proxy, dnsQuery('many', { ednsBytes: 4096 })))).toMatchObject({
      isTruncated: false,
      answers: 40,
    });
  });

  test('is complete over TCP, where clients go on', async () => {
    const resolver = resolverOf(
      await serve({
        names: {
          many: [
            ...many,
            ...many.map((each) => `198.51.100.${each.slice(8)}`),
            ...many.map((each) => `203.0.113.${each.slice(8)}`),
          ],
        },
      }),
    );
    expect(await resolver.resolve4('many')).toHaveLength(120);
  });
});

describe('bad input', () => {
  test('is told so where there is somebody to tell, counted, and the next question is answered', async () => {
    const proxy = await serve();
    const whole = dnsQuery('reviews', { id: 9 });
    expect(readHeader(await ask(proxy, whole.subarray(0, -1)))).toEqual({
      id: 9,
      isAuthoritative: false,
      isTruncated: false,
      code: 1,
      questions: 0,
      answers: 0,
      additional: 0,
    });
    expect(readHeader(await ask(proxy, dnsQuery('reviews', { flags: 0x2000 }))).code).toBe(4);
    expect(await askUdp(proxy.port(), whole.subarray(0, 11), 50)).toBeUndefined();
    expect(await askUdp(proxy.port(), dnsQuery('reviews', { flags: 0x8000 }), 50)).toBeUndefined();
    expect(await askUdp(proxy.port(), Buffer.alloc(0), 50)).toBeUndefined();
    expect(await resolverOf(proxy).resolve4('reviews')).toEqual(['240.240.0.1']);
    expect(proxy.stat('dns_filter.dns.downstream_rx_invalid_queries')).toBe(5);
  });

  test('over TCP that is longer than any question closes the connection', async () => {
    const proxy = await serve();
    const client = new DnsTcpClient(proxy.port());
    client.socket.write(words(4_097));
    await client.closed;
    expect(proxy.stat('dns_filter.dns.downstream_rx_invalid_queries')).toBe(1);
  });
});

describe('over TCP', () => {
  test('questions come in any pieces, several at once, and each has its answer', async () => {
    const proxy = await serve();
    const client = new DnsTcpClient(proxy.port());
    const bytes = Buffer.concat([1, 2, 3].map((id) => withLength(dnsQuery('reviews', { id }))));
    client.socket.setNoDelay(true);
    for (const byte of bytes.subarray(0, 45)) {
      client.socket.write(Buffer.from([byte]));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    client.socket.write(bytes.subarray(45));
    const answers = await client.waitForAnswers(3);
    expect(answers.map((answer) => readHeader(answer).id)).toEqual([1, 2, 3]);
    client.socket.destroy();
  });

  test('a thousand pipelined questions are answered, though no more than 64 wait at a time', async () => {
    const proxy = await serve();
    const client = new DnsTcpClient(proxy.port());
    client.socket.write(
      Buffer.concat(Array.from({ length: 1_000 }, (_, id) => withLength(dnsQuery('reviews', { id })))),
    );
    expect(await client.waitForAnswers(1_000)).toHaveLength(1_000);
    client.socket.end();
    await client.closed;
  });

  test('a connection without questions ends after a while, one with half a question too', async () => {
    const clock = new ManualClock();
    const proxy = await serve({ names }, { clock });
    const idle = new DnsTcpClient(proxy.port());
    const slow = new DnsTcpClient(proxy.port());
    slow.socket.write(withLength(dnsQuery('reviews')).subarray(0, 10));
    await until(() => proxy.stat('dns_filter.dns.downstream_cx_total') === 2);
    clock.advance(idleTimeoutMs / 2);
    slow.socket.write(Buffer.from([1]));
    clock.advance(idleTimeoutMs);
    await Promise.all([idle.closed, slow.closed]);
  });

  test('connections beyond 256 are closed, and counted', async () => {
    const proxy = await serve();
    const clients = Array.from({ length: 257 }, () => new DnsTcpClient(proxy.port()));
    await Promise.race(clients.map(({ closed }) => closed));
    expect(proxy.stat('dns_filter.dns.downstream_cx_overflow')).toBe(1);
    for (const { socket } of clients) socket.destroy();
  });
});

describe('a new version', () => {
  test('answers from the next question on, and no question is lost meanwhile', async () => {
    const proxy = await serve();
    const port = proxy.port();
    const client = new DnsTcpClient(port);
    const seen = new Set<number>();
    for (let round = 1; round <= 100; round += 1) {
      const json = dnsListener({ names: { reviews: [`192.0.2.${round}`] } });
      const asking = Array.from({ length: 4 }, (_, id) => askUdp(port, dnsQuery('reviews', { id })));
      expect(await proxy.replaceListeners([json])).toEqual([]);
      client.socket.write(withLength(dnsQuery('reviews', { id: round })));
      for (const answer of await Promise.all(asking)) {
        expect(answer && readHeader(answer)).toMatchObject({ code: 0, answers: 1 });
        seen.add(answer?.at(-1) ?? 0);
      }
      const [last] = (await client.waitForAnswers(round)).slice(-1);
      expect(last?.at(-1)).toBe(round);
    }
    expect(proxy.port()).toBe(port);
    expect(seen.size).toBeGreaterThan(50);
    client.socket.destroy();
  });

  test('that is gone takes its port with it', async () => {
    const proxy = await serve();
    const port = proxy.port();
    expect(await proxy.replaceListeners([])).toEqual([]);
    expect(
      await proxy.replaceListeners([dnsListener({ name: 'other', port, names: { reviews: ['192.0.2.2'] } })]),
    ).toEqual([]);
    expect(await resolverOf(proxy).resolve4('reviews')).toEqual(['192.0.2.2']);
  });

  test('on a port that somebody has is refused whole', async () => {
    const proxy = await serve();
    const taken = dnsListener({ name: 'second', port: proxy.port(), names });
    const [error] = await proxy.replaceListeners([dnsListener({ names }), taken]);
    expect(error).toMatch(/^second: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
    expect(await resolverOf(proxy).resolve4('reviews')).toEqual(['240.240.0.1']);
  });
});
