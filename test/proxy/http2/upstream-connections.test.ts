/** Connections to servers that end, stall, or never begin. */
import { describe, expect, it } from 'vitest';
import { Code, FrameType, data } from '../../support/http2/frames.ts';
import { answerOk } from '../../support/http2/raw-server.ts';
import { turns, until } from '../../support/turns.ts';
import { requestFields } from './server-case.ts';
import { outcomeOf, useUpstream } from './upstream-setup.ts';

describe('a server that goes away', () => {
  const upstream = useUpstream();

  it.each([
    ['FIN', 'end'],
    ['RST', 'reset'],
  ] as const)('with %s in the middle of a body ends the response with an error', async (_, end) => {
    upstream.server.onRequest = ({ peer, streamId }) => {
      peer.sendHead(streamId, [[':status', '200']], false);
      peer.send(data(streamId, 'half'));
      if (end === 'end') peer.end();
    };
    if (end === 'reset') {
      const answering = upstream.call('GET', '/');
      const { peer } = await upstream.server.request();
      await upstream.client.until(() => upstream.client.message(1).bodyBytes === 4, 'the half');
      peer.reset();
      await answering;
    }
    const message = end === 'end' ? await upstream.call('GET', '/') : upstream.client.message(1);
    expect(outcomeOf(message)).toBe('reset after 200');
    expect(message.body).toBe('half');
    expect(message.resetCode).not.toBe(Code.noError);
  });

  it.each(['end', 'reset'] as const)(
    'before it answers is a 503, and its connection is not used again (%s)',
    async (how) => {
      await upstream.call('GET', '/warm');
      upstream.server.onRequest = ({ peer }) => peer[how]();
      expect(outcomeOf(await upstream.call('POST', '/'))).toBe('503 UC');
      upstream.server.onRequest = answerOk;
      expect(outcomeOf(await upstream.call('GET', '/next'))).toBe('200 ok');
      expect(upstream.server.connections.length).toBe(2);
    },
  );

  it('while nothing is asked is not missed', async () => {
    for (const how of ['end', 'reset', 'end'] as const) {
      expect(outcomeOf(await upstream.call('GET', '/'))).toBe('200 ok');
      upstream.server.connections.at(-1)?.[how]();
      await until(() => upstream.proxy.stat('cluster.backend.upstream_cx_active') === 0);
    }
    expect(upstream.server.connections.length).toBe(3);
  });

  it('with many requests under way ends each of them once', async () => {
    await upstream.call('GET', '/warm');
    upstream.server.onRequest = () => {};
    const { client } = upstream;
    const ids = Array.from({ length: 50 }, (_, i) => 3 + 2 * i);
    for (const streamId of ids) client.sendHead(streamId, requestFields('POST', `/${streamId}`));
    await upstream.server.request(51);
    upstream.server.connections[0]?.reset();
    for (const streamId of ids) expect(outcomeOf(await upstream.patiently(streamId))).toBe('503 UC');
    expect(upstream.server.requests.length).toBe(51);
  });
});

describe('a server that', () => {
  const upstream = useUpstream({
    action: { timeout: '5s' },
    http2: { connection_keepalive: { interval: '30s', timeout: '10s' } },
  });

  /** In steps between which everybody has time to answer. */
  async function letPass(ms: number): Promise<void> {
    upstream.proxy.clock.advance(ms);
    await turns(5);
  }

  it('never sends SETTINGS and never answers is given up when the time of the request is over', async () => {
    upstream.server.onConnection = (peer) => (peer.isPolite = false);
    upstream.server.onRequest = () => {};
    expect(outcomeOf(await upstream.call('GET', '/'))).toBe('504 UT');
  });

  it('answers a PING of the keepalive keeps its connection', async () => {
    await upstream.call('GET', '/');
    const [peer] = upstream.server.connections;
    for (let i = 0; i < 60; i++) await letPass(5_000);
    expect(outcomeOf(await upstream.call('GET', '/'))).toBe('200 ok');
    expect(upstream.server.connections.length).toBe(1);
    expect(peer?.frames.filter(({ type, flags }) => type === FrameType.ping && flags === 0).length).toBeGreaterThan(0);
  });

  it('answers no PING of the keepalive loses its connection, and the request on it is an error', async () => {
    await upstream.call('GET', '/');
    const [peer] = upstream.server.connections;
    if (peer === undefined) throw new Error('it was there');
    peer.isPolite = false;
    const pings = (): number => peer.frames.filter(({ type, flags }) => type === FrameType.ping && flags === 0).length;
    for (let i = 0; i < 20 && pings() === 0; i++) await letPass(5_000);
    expect([pings(), peer.isOver]).toEqual([1, false]);
    for (let i = 0; i < 3; i++) await letPass(5_000);
    await peer.untilOver();
    expect(outcomeOf(await upstream.call('GET', '/next'))).toBe('200 ok');
    expect(upstream.server.connections.length).toBe(2);
  });

  it('goes on with a request that was given up is not heard, and its connection goes on', async () => {
    upstream.server.onRequest = () => {};
    expect(outcomeOf(await upstream.call('GET', '/slow'))).toBe('504 UT');
    const slow = await upstream.server.request();
    await slow.peer.until(() => slow.message.resetCode !== undefined, 'the reset');
    expect(slow.message.resetCode).toBe(Code.cancel);
    // What was under way when it was reset.
    slow.peer.sendHead(slow.streamId, [[':status', '200']], false);
    for (let i = 0; i < 10; i++) slow.peer.send(data(slow.streamId, 'x'.repeat(10_000)));
    upstream.server.onRequest = answerOk;
    expect(outcomeOf(await upstream.call('GET', '/next'))).toBe('200 ok');
    expect(upstream.server.connections.length).toBe(1);
    await slow.peer.roundTrip();
    expect(slow.peer.windows.of(0), 'the window is given back').toBeGreaterThan(100_000);
  });
});
