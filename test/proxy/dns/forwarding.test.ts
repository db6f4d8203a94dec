import { describe, expect, test } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { dnsListener, forwardTo } from '../../support/dns-json.ts';
import { askUdp, dnsQuery, DnsTcpClient, readHeader, withLength, words } from '../../support/dns-message.ts';
import { type Behaviour, DnsUpstream, echoAnswer } from '../../support/dns-upstream.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type PartsOptions, ProxyParts } from '../../support/proxy-parts.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

const names = { reviews: ['240.240.0.1'], 'reviews.default.svc.cluster.local': ['240.240.0.1'] };

async function upstreamThat(behave?: Behaviour): Promise<DnsUpstream> {
  return closeAfterTest(await DnsUpstream.start(behave));
}

interface Forwarding {
  readonly ports: readonly number[];
  readonly retries?: number;
  readonly maxPending?: number;
}

async function serve(
  { ports, retries = 0, maxPending = 256 }: Forwarding,
  options: PartsOptions = {},
): Promise<ProxyParts> {
  const client = { ...forwardTo(...ports), max_pending_lookups: maxPending };
  const proxy = closeAfterTest(await new ProxyParts({ listeners: [], ...options }).start());
  expect(await proxy.replaceListeners([dnsListener({ names, retries, client })])).toEqual([]);
  return proxy;
}

async function ask(proxy: ProxyParts, message: Buffer): Promise<Buffer> {
  const answer = await askUdp(proxy.port(), message);
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

const silent: Behaviour = () => [];
const failing: Behaviour = ({ message }) => [echoAnswer(message, 2)];
const serverFailure = 2;

/** One A record about the question's name. */
function withRecord(message: Buffer, ...address: readonly number[]): Buffer {
  const answer = Buffer.concat([echoAnswer(message), words(0xc00c, 1, 1, 0, 60, 4), Buffer.from(address)]);
  answer.writeUInt16BE(1, 6);
  return answer;
}

describe('what is not in the table', () => {
  test.each<[string, Buffer]>([
    ['an address of another name', dnsQuery('example.com')],
    ['a mail server', dnsQuery('example.com', { type: 15 })],
    [
      'a signature, with EDNS and the DNSSEC bit',
      dnsQuery('example.com', { type: 46, ednsBytes: 4096, isDnssecOk: true }),
    ],
    ['a service binding of a name of the table', dnsQuery('reviews', { type: 65 })],
    ['a version of EDNS to come', dnsQuery('example.com', { ednsBytes: 4096, ednsVersion: 9 })],
    ['a question with checking disabled, in mixed case', dnsQuery('ExAmPlE.com', { flags: 0x0110 })],
  ])('goes to the resolver as it came: %s', async (_what, query) => {
    const upstream = await upstreamThat();
    const answer = await ask(await serve({ ports: [upstream.port] }), query);
    const [question] = upstream.questions;
    expect(question?.message.subarray(2)).toEqual(query.subarray(2));
    expect(answer).toEqual(echoAnswer(query));
  });

  test('has its answer brought back as it is, but for the id', async () => {
    const upstream = await upstreamThat(({ message }) => [withRecord(message, 198, 51, 100, 9)]);
    const query = dnsQuery('example.com', { id: 0xbeef });
    expect(await ask(await serve({ ports: [upstream.port] }), query)).toEqual(withRecord(query, 198, 51, 100, 9));
  });

  test('is asked under ids and from ports that nobody can guess', async () => {
    const upstream = await upstreamThat();
    const proxy = await serve({ ports: [upstream.port] });
    for (let id = 0; id < 32; id += 1) await ask(proxy, dnsQuery('example.com', { id }));
    const ids = upstream.questions.map(({ message }) => message.readUInt16BE(0));
    expect(new Set(ids).size).toBeGreaterThan(28);
    expect(ids.filter((id) => id < 32).length).toBeLessThan(4);
    expect(new Set(upstream.questions.map(({ port }) => port)).size).toBeGreaterThan(28);
  });

  test('is not asked for where a search domain was appended to a name of the table', async () => {
    const upstream = await upstreamThat();
    const proxy = await serve({ ports: [upstream.port] }, { searchDomains: ['default.svc.cluster.local'] });
    const expanded = 'reviews.default.svc.cluster.local.default.svc.cluster.local';
    for (const type of [1, 28, 65]) expect(readHeader(await ask(proxy, dnsQuery(expanded, { type }))).code).toBe(3);
    expect(upstream.questions).toEqual([]);
    await ask(proxy, dnsQuery('other.default.svc.cluster.local'));
    expect(upstream.questions).toHaveLength(1);
  });
});

describe('an answer', () => {
  test('to another question, or of another id, is not believed, and the true one still is', async () => {
    const upstream = await upstreamThat(({ message }) => {
      const otherId = withRecord(message, 6, 6, 6, 6);
      otherId.writeUInt16BE(message.readUInt16BE(0) ^ 1, 0);
      const otherName = withRecord(dnsQuery('evil.example', { id: message.readUInt16BE(0) }), 6, 6, 6, 6);
      return [otherId, otherName, message, Buffer.from('noise'), withRecord(message, 198, 51, 100, 9)];
    });
    const proxy = await serve({ ports: [upstream.port] });
    const query = dnsQuery('example.com');
    expect(await ask(proxy, query)).toEqual(withRecord(query, 198, 51, 100, 9));
    expect(proxy.stat('dns_filter.dns.resolver_mismatched_answers')).toBe(4);
  });

  test('longer than the client takes is cut, so that it asks over TCP, where it comes whole', async () => {
    const long = (message: Buffer): Buffer => {
      const records = Array.from({ length: 60 }, (_, i) =>
        Buffer.concat([words(0xc00c, 1, 1, 0, 60, 4), Buffer.from([10, 0, 0, i])]),
      );
      const answer = Buffer.concat([echoAnswer(message), ...records]);
      answer.writeUInt16BE(60, 6);
      return answer;
    };
    const upstream = await upstreamThat(({ message }) => [long(message)]);
    const proxy = await serve({ ports: [upstream.port] });
    const query = dnsQuery('example.com');
    expect(readHeader(await ask(proxy, query))).toMatchObject({ isTruncated: true, code: 0, answers: 0, questions: 1 });
    const client = new DnsTcpClient(proxy.port());
    client.socket.write(withLength(query));
    expect((await client.waitForAnswers(1))[0]).toEqual(long(query));
    expect(upstream.questions.map(({ transport }) => transport)).toEqual(['udp', 'tcp']);
    client.socket.destroy();
  });
});

describe('a resolver', () => {
  test('that fails is followed by the next one', async () => {
    const first = await upstreamThat(failing);
    const second = await upstreamThat();
    expect(readHeader(await ask(await serve({ ports: [first.port, second.port] }), dnsQuery('example.com'))).code).toBe(
      0,
    );
  });

  test('that nobody runs is followed by the next one at once, over UDP and over TCP', async () => {
    const second = await upstreamThat();
    const clock = new ManualClock();
    const proxy = await serve({ ports: [await unusedPort(), second.port] }, { clock });
    expect(readHeader(await ask(proxy, dnsQuery('example.com'))).code).toBe(0);
    const client = new DnsTcpClient(proxy.port());
    client.socket.write(withLength(dnsQuery('example.com')));
    expect(await client.waitForAnswers(1)).toHaveLength(1);
    client.socket.destroy();
  });

  test('that cannot be reached is followed by the next one at once', async () => {
    const second = await upstreamThat();
    const clock = new ManualClock();
    // The kernel lets nobody send there who has not asked to broadcast.
    const client = forwardTo('255.255.255.255', second.port);
    const proxy = closeAfterTest(await new ProxyParts({ listeners: [dnsListener({ names, client })], clock }).start());
    expect(readHeader(await ask(proxy, dnsQuery('example.com'))).code).toBe(0);
  });

  test('that is silent is followed by the next one after its share of the time', async () => {
    const [first, second] = [await upstreamThat(silent), await upstreamThat()];
    const clock = new ManualClock();
    const proxy = await serve({ ports: [first.port, second.port] }, { clock });
    const answer = ask(proxy, dnsQuery('example.com'));
    await until(() => first.questions.length === 1);
    clock.advance(499);
    expect(second.questions).toEqual([]);
    clock.advance(1);
    expect(readHeader(await answer).code).toBe(0);
  });

  test('is asked as many rounds as the table says; when all are silent the server has failed', async () => {
    const upstream = await upstreamThat(silent);
    const clock = new ManualClock();
    const proxy = await serve({ ports: [upstream.port], retries: 2 }, { clock });
    const { pendingTimers } = clock;
    const answer = ask(proxy, dnsQuery('example.com', { id: 5 }));
    for (const round of [1, 2, 3]) {
      await until(() => upstream.questions.length === round);
      clock.advance(1_000);
    }
    expect(readHeader(await answer)).toMatchObject({ id: 5, code: serverFailure });
    expect(proxy.stat('dns_filter.dns.unanswered_queries')).toBe(1);
    expect(clock.pendingTimers).toBe(pendingTimers);
  });

  test('whose failure is the last word is heard', async () => {
    const [first, second] = [await upstreamThat(({ message }) => [echoAnswer(message, 5)]), await upstreamThat(silent)];
    const clock = new ManualClock();
    const answer = ask(await serve({ ports: [first.port, second.port] }, { clock }), dnsQuery('example.com'));
    await until(() => second.questions.length === 1);
    clock.advance(500);
    expect(readHeader(await answer).code).toBe(5);
  });
});

describe('questions that wait', () => {
  test('are so many at most; those beyond fail at once, and names of the table are still answered', async () => {
    const upstream = await upstreamThat(silent);
    const clock = new ManualClock();
    const proxy = await serve({ ports: [upstream.port], maxPending: 3 }, { clock });
    const waiting = [1, 2, 3].map((id) => ask(proxy, dnsQuery('example.com', { id })));
    await until(() => upstream.questions.length === 3);
    expect(readHeader(await ask(proxy, dnsQuery('example.com', { id: 4 })))).toMatchObject({
      id: 4,
      code: serverFailure,
    });
    expect(proxy.stat('dns_filter.dns.pending_lookups_overflow')).toBe(1);
    expect(readHeader(await ask(proxy, dnsQuery('reviews'))).answers).toBe(1);
    clock.advance(1_000);
    for (const answer of waiting) expect(readHeader(await answer).code).toBe(serverFailure);
    upstream.behave = ({ message }) => [echoAnswer(message)];
    expect(readHeader(await ask(proxy, dnsQuery('example.com'))).code).toBe(0);
  });

  test('of an earlier version have their answers', async () => {
    const upstream = await upstreamThat(silent);
    const proxy = await serve({ ports: [upstream.port] });
    const answer = ask(proxy, dnsQuery('example.com'));
    await until(() => upstream.questions.length === 1);
    const other = await upstreamThat();
    expect(await proxy.replaceListeners([dnsListener({ names, client: forwardTo(other.port) })])).toEqual([]);
    await ask(proxy, dnsQuery('example.com', { id: 2 }));
    expect(other.questions).toHaveLength(1);
    expect(readHeader(await answer).code).toBe(serverFailure);
  });

  test('hear of it when their listener goes', async () => {
    const upstream = await upstreamThat(silent);
    const proxy = await serve({ ports: [upstream.port] });
    const client = new DnsTcpClient(proxy.port());
    client.socket.write(withLength(dnsQuery('example.com')));
    const answer = ask(proxy, dnsQuery('example.com', { id: 2 }));
    await until(() => upstream.questions.length === 2);
    expect(await proxy.replaceListeners([])).toEqual([]);
    expect(readHeader(await answer).code).toBe(serverFailure);
    await client.closed;
    expect(client.answers).toHaveLength(1);
  });
});
