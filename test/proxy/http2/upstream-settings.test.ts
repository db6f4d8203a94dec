/** Servers that allow little, or change their minds: SETTINGS and windows on the upstream side. */
import { describe, expect, it } from 'vitest';
import { digestOf, randomBytes } from '../../support/http2/bodies.ts';
import { Setting, settings, windowUpdate } from '../../support/http2/frames.ts';
import { type RawRequest, answerOk } from '../../support/http2/raw-server.ts';
import { until } from '../../support/turns.ts';
import { requestFields } from './server-case.ts';
import { outcomeOf, useUpstream } from './upstream-setup.ts';

const retry_policy = { retry_on: 'refused-stream', num_retries: 3 };
const upstream = useUpstream({ action: { retry_policy } });

describe('a server that allows', () => {
  it.each([1, 2, 7])(
    '%i streams at once never has more on one connection, and all requests are served',
    async (limit) => {
      const { server } = upstream;
      let most = 0;
      server.onConnection = (peer) => peer.greet([Setting.maxConcurrentStreams, limit]);
      server.onRequest = (request) => {
        most = Math.max(most, request.peer.openStreams);
        setImmediate(answerOk, request);
      };
      await upstream.call('GET', '/warm');
      const { client } = upstream;
      const ids = Array.from({ length: 40 }, (_, i) => 3 + 2 * i);
      for (const streamId of ids) client.sendHead(streamId, requestFields('GET', `/${streamId}`));
      for (const streamId of ids) expect(outcomeOf(await upstream.patiently(streamId))).toBe('200 ok');
      // On a connection that has said nothing yet there may be more; the audit of the server knows from when on.
      expect(most).toBeGreaterThanOrEqual(Math.min(limit, 2) - 1);
    },
  );

  it('fewer streams from some time on gets no more than those', async () => {
    const { server } = upstream;
    const held: RawRequest[] = [];
    server.onRequest = (request) => {
      if (request.path === '/held') held.push(request);
      else answerOk(request);
    };
    await upstream.call('GET', '/warm');
    const { client } = upstream;
    for (const streamId of [3, 5, 7]) client.sendHead(streamId, requestFields('GET', '/held'));
    await until(() => held.length === 3);
    const [first] = server.connections;
    first?.send(settings([Setting.maxConcurrentStreams, 1]));
    await first?.roundTrip();
    client.sendHead(9, requestFields('GET', '/x'));
    expect(outcomeOf(await upstream.patiently(9))).toBe('200 ok');
    expect(server.requests.find(({ path }) => path === '/x')?.peer).not.toBe(first);
    for (const request of held) answerOk(request);
    for (const streamId of [3, 5, 7]) expect(outcomeOf(await upstream.patiently(streamId))).toBe('200 ok');
  });

  it('no streams at all makes an error of each request, or lets it wait, and is no loop', async () => {
    const { server } = upstream;
    server.onConnection = (peer) => peer.greet([Setting.maxConcurrentStreams, 0]);
    server.onRequest = (request) => {
      if (request.path === '/warm') answerOk(request);
    };
    await upstream.call('GET', '/warm');
    const { client } = upstream;
    for (const streamId of [3, 5, 7]) client.sendHead(streamId, requestFields('GET', '/x'));
    await client.roundTrip();
    for (const peer of server.connections) await peer.roundTrip();
    expect(server.connections.length).toBeLessThan(10);
    client.destroy();
  });

  it('no windows at first gets a body as it opens them, and not a byte more', async () => {
    const { server } = upstream;
    server.onConnection = (peer) => peer.greet([Setting.initialWindowSize, 0]);
    await upstream.call('GET', '/warm');
    const { client } = upstream;
    const body = randomBytes(50_000);
    client.sendHead(3, requestFields('POST', '/body'), false);
    client.sendData(3, body.subarray(0, 16_000), false);
    client.sendData(3, body.subarray(16_000, 32_000), false);
    client.sendData(3, body.subarray(32_000, 48_000), false);
    client.sendData(3, body.subarray(48_000));
    const { peer, streamId, message } = await server.request(2);
    await peer.roundTrip();
    expect(message.bodyBytes).toBe(0);
    peer.send(windowUpdate(streamId, 1));
    await peer.until(() => message.bodyBytes > 0, 'a byte');
    await peer.roundTrip();
    expect(message.bodyBytes).toBe(1);
    peer.send(settings([Setting.initialWindowSize, 999]));
    await peer.until(() => message.bodyBytes >= 1_000, 'more');
    await peer.roundTrip();
    expect(message.bodyBytes).toBe(1_000);
    // Other requests go by.
    client.sendHead(5, requestFields('GET', '/other'));
    expect(outcomeOf(await upstream.patiently(5))).toBe('200 ok');
    peer.send(windowUpdate(streamId, 100_000));
    expect(outcomeOf(await upstream.patiently(3))).toBe('200 ok');
    expect(digestOf(message.bytes)).toBe(digestOf(body));
  });

  it('a window that it takes back below zero gets nothing until that is positive again', async () => {
    const { server } = upstream;
    server.onConnection = (peer) => peer.greet([Setting.initialWindowSize, 1_000]);
    await upstream.call('GET', '/warm');
    const { client } = upstream;
    client.sendHead(3, requestFields('POST', '/body'), false);
    client.sendData(3, randomBytes(5_000));
    const { peer, streamId, message } = await server.request(2);
    await peer.until(() => message.bodyBytes === 1_000, 'a window of bytes');
    peer.send(settings([Setting.initialWindowSize, 0]));
    await peer.roundTrip();
    peer.send(windowUpdate(streamId, 1_000));
    await peer.roundTrip();
    expect(message.bodyBytes).toBe(1_000);
    peer.send(windowUpdate(streamId, 10));
    await peer.until(() => message.bodyBytes > 1_000, 'ten bytes');
    await peer.roundTrip();
    expect(message.bodyBytes).toBe(1_010);
    peer.send(windowUpdate(streamId, 10_000));
    expect(outcomeOf(await upstream.patiently(3))).toBe('200 ok');
  });

  it('no table of header fields reads what comes all the same', async () => {
    const { server } = upstream;
    server.onConnection = (peer) => peer.greet([Setting.headerTableSize, 0]);
    for (let i = 0; i < 5; i++) expect(outcomeOf(await upstream.call('GET', '/', ['x-same', 'value']))).toBe('200 ok');
    server.connections[0]?.send(settings([Setting.headerTableSize, 200]));
    await server.connections[0]?.roundTrip();
    for (let i = 0; i < 5; i++) expect(outcomeOf(await upstream.call('GET', '/', ['x-same', 'value']))).toBe('200 ok');
    server.connections[0]?.send(settings([Setting.headerTableSize, 0]), settings([Setting.headerTableSize, 4_096]));
    await server.connections[0]?.roundTrip();
    for (let i = 0; i < 5; i++) expect(outcomeOf(await upstream.call('GET', '/', ['x-same', 'value']))).toBe('200 ok');
    expect(server.connections.length).toBe(1);
  });

  it('large frames gets whole bodies in whatever frames', async () => {
    const { server } = upstream;
    server.onConnection = (peer) =>
      peer.greet([Setting.maxFrameSize, 1_000_000], [Setting.initialWindowSize, 1_000_000]);
    await upstream.call('GET', '/warm');
    server.connections[0]?.send(windowUpdate(0, 1_000_000));
    const { client } = upstream;
    const body = randomBytes(200_000);
    client.sendHead(3, requestFields('POST', '/body'), false);
    await client.sendBody(3, body);
    expect(outcomeOf(await upstream.patiently(3))).toBe('200 ok');
    expect(digestOf((await server.request(2)).message.bytes)).toBe(digestOf(body));
  });
});
