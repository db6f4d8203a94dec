/** Servers that take requests back: RST_STREAM and GOAWAY (RFC 9113 §5.4, §6.4, §6.8, §8.7). */
import { describe, expect, it } from 'vitest';
import { Code, data, goaway, maxWindow, nameOfCode, rstStream } from '../../support/http2/frames.ts';
import type { RawRequest } from '../../support/http2/raw-server.ts';
import { answerOk } from '../../support/http2/raw-server.ts';
import { until } from '../../support/turns.ts';
import { requestFields } from './server-case.ts';
import { outcomeOf, useUpstream } from './upstream-setup.ts';

const codes = Object.values(Code).map((code) => [nameOfCode(code), code] as const);
const isFirst = ({ path }: RawRequest, requests: readonly RawRequest[]): boolean =>
  requests.filter((each) => each.path === path).length === 1;

describe('without a retry policy,', () => {
  const upstream = useUpstream();

  it.each(codes)('a request that is reset with %s before its response is answered with an error', async (_, code) => {
    upstream.server.onRequest = ({ peer, streamId }) => peer.send(rstStream(streamId, code));
    const outcome = outcomeOf(await upstream.call('GET', '/'));
    expect(outcome).toBe('503 UR');
    expect(upstream.server.requests.length).toBe(1);
    // The connection goes on.
    upstream.server.onRequest = answerOk;
    expect(outcomeOf(await upstream.call('GET', '/next'))).toBe('200 ok');
    expect(upstream.server.connections.length).toBe(1);
  });

  it.each(codes)('a response that is reset with %s is reset, and never ended', async (_, code) => {
    upstream.server.onRequest = ({ peer, streamId }) => {
      peer.sendHead(streamId, [[':status', '200']], false);
      peer.send(data(streamId, 'half'), rstStream(streamId, code));
    };
    const message = await upstream.call('GET', '/');
    expect(message.isEnded).toBe(false);
    expect(message.resetCode).not.toBe(Code.noError);
    expect('half'.startsWith(message.body)).toBe(true);
    upstream.server.onRequest = answerOk;
    expect(outcomeOf(await upstream.call('GET', '/next'))).toBe('200 ok');
  });

  it('a request that is not needed any more is reset behind its response, which is whole (§8.1)', async () => {
    upstream.server.onHead = (request) => {
      answerOk(request);
      request.peer.send(rstStream(request.streamId, Code.noError));
    };
    upstream.server.onRequest = () => {};
    await upstream.call('GET', '/');
    const { client } = upstream;
    client.sendHead(3, requestFields('POST', '/'), false);
    client.sendData(3, 'abc', false);
    const message = await upstream.patiently(3);
    expect([message.status, message.body, message.isEnded]).toEqual([200, 'ok', true]);
  });

  it('a request on a stream that is above the last one of GOAWAY is answered with an error', async () => {
    upstream.server.onRequest = ({ peer, streamId }) => peer.send(goaway(streamId - 1, Code.noError));
    expect(outcomeOf(await upstream.call('GET', '/'))).toMatch(/^503 U/);
    upstream.server.onRequest = answerOk;
    expect(outcomeOf(await upstream.call('GET', '/next'))).toBe('200 ok');
    expect(upstream.server.connections.length).toBe(2);
  });
});

describe('with the default retry policy of a mesh,', () => {
  const retry_policy = { retry_on: 'connect-failure,refused-stream,unavailable', num_retries: 2 };
  const upstream = useUpstream({ action: { retry_policy } });

  it('a request that was refused is sent again, and nobody hears of it', async () => {
    upstream.server.onRequest = (request) => {
      if (isFirst(request, upstream.server.requests))
        request.peer.send(rstStream(request.streamId, Code.refusedStream));
      else answerOk(request);
    };
    expect(outcomeOf(await upstream.call('GET', '/'))).toBe('200 ok');
    expect(outcomeOf(await upstream.call('POST', '/post'))).toBe('200 ok');
    expect(upstream.server.requests.map(({ path }) => path)).toEqual(['/', '/', '/post', '/post']);
  });

  it('a request that is refused again and again is answered with an error in the end', async () => {
    upstream.server.onRequest = ({ peer, streamId }) => peer.send(rstStream(streamId, Code.refusedStream));
    expect(outcomeOf(await upstream.call('GET', '/'))).toMatch(/^503 U/);
    expect(upstream.server.requests.length).toBe(3);
  });

  it.each(codes.filter(([, code]) => code !== Code.refusedStream))(
    'a request that was reset with %s may have been worked on, and is not sent again',
    async (_, code) => {
      upstream.server.onRequest = ({ peer, streamId }) => peer.send(rstStream(streamId, code));
      expect(outcomeOf(await upstream.call('POST', '/'))).toBe('503 UR');
      expect(upstream.server.requests.length).toBe(1);
    },
  );

  it('a request with a body that was refused is sent again with all of it', async () => {
    upstream.server.onRequest = (request) => {
      if (isFirst(request, upstream.server.requests))
        request.peer.send(rstStream(request.streamId, Code.refusedStream));
      else answerOk(request);
    };
    await upstream.call('GET', '/warm');
    const { client } = upstream;
    client.sendHead(3, requestFields('PUT', '/body'), false);
    client.sendData(3, 'the body', false);
    client.sendData(3, ' and its end');
    expect(outcomeOf(await upstream.patiently(3))).toBe('200 ok');
    const bodies = upstream.server.requests.filter(({ path }) => path === '/body').map(({ message }) => message.body);
    expect(bodies).toEqual(['the body and its end', 'the body and its end']);
  });

  it('requests above the last stream of GOAWAY go to another connection, those below finish on theirs', async () => {
    const { server } = upstream;
    server.onRequest = (request) => {
      if (request.peer !== server.connections[0] || request.path === '/warm') answerOk(request);
    };
    await upstream.call('GET', '/warm');
    const { client } = upstream;
    for (const [i, path] of ['/a', '/b', '/c', '/d'].entries()) client.sendHead(3 + 2 * i, requestFields('POST', path));
    await server.request(5);
    const [old] = server.connections;
    const below = server.requests.find(({ path }) => path === '/b');
    if (old === undefined || below === undefined) throw new Error('they were there');
    old.send(goaway(below.streamId, Code.noError));
    for (const streamId of [7, 9]) expect(outcomeOf(await upstream.patiently(streamId))).toBe('200 ok');
    expect([client.message(3).isOver, client.message(5).isOver], 'below').toEqual([false, false]);
    for (const request of server.requests.filter(({ path }) => path === '/a' || path === '/b')) answerOk(request);
    for (const streamId of [3, 5]) expect(outcomeOf(await upstream.patiently(streamId))).toBe('200 ok');
    expect(server.connections.length).toBe(2);
    expect(server.requests.map(({ path }) => path).sort()).toEqual(['/a', '/b', '/c', '/c', '/d', '/d', '/warm']);
    // The old one has nothing left to carry.
    await old.untilOver();
  });

  it('a server that says goodbye twice, as graceful ones do, loses nothing', async () => {
    const { server } = upstream;
    server.onRequest = (request) => {
      if (request.path !== '/slow') answerOk(request);
    };
    await upstream.call('GET', '/warm');
    const { client } = upstream;
    client.sendHead(3, requestFields('GET', '/slow'));
    const slow = await server.request(2);
    slow.peer.send(goaway(maxWindow, Code.noError));
    await slow.peer.roundTrip();
    client.sendHead(5, requestFields('GET', '/after'));
    expect(outcomeOf(await upstream.patiently(5))).toBe('200 ok');
    slow.peer.send(goaway(slow.streamId, Code.noError));
    await slow.peer.roundTrip();
    answerOk(slow);
    expect(outcomeOf(await upstream.patiently(3))).toBe('200 ok');
    expect(server.connections.length).toBe(2);
    expect(server.requests.map(({ path }) => path)).toEqual(['/warm', '/slow', '/after']);
  });
});

describe('GOAWAY', () => {
  const upstream = useUpstream();

  it('on an idle connection makes the next request open another, and closes the first', async () => {
    await upstream.call('GET', '/warm');
    const [old] = upstream.server.connections;
    old?.send(goaway(1, Code.noError, 'idle for too long'));
    await old?.untilOver();
    expect(outcomeOf(await upstream.call('GET', '/next'))).toBe('200 ok');
    expect(upstream.server.connections.length).toBe(2);
  });

  it.each([
    ['at once', true],
    ['after the answer', false],
  ])('for an error, and the end of the connection %s, does not lose what was answered', async (_, atOnce) => {
    upstream.server.onRequest = (request) => {
      if (!atOnce) answerOk(request);
      request.peer.send(goaway(request.streamId, Code.internalError));
      request.peer.end();
    };
    const outcome = outcomeOf(await upstream.call('GET', '/'));
    expect(outcome).toBe(atOnce ? '503 UC' : '200 ok');
    upstream.server.onRequest = answerOk;
    expect(outcomeOf(await upstream.call('GET', '/next'))).toBe('200 ok');
  });

  it('before any request, from every connection, is an error and not a loop', async () => {
    upstream.server.onConnection = (peer) => {
      peer.greet();
      peer.send(goaway(0, Code.enhanceYourCalm, 'go away'));
      peer.end();
    };
    expect(outcomeOf(await upstream.call('GET', '/'))).toMatch(/^503 U/);
    await until(() => upstream.server.openConnections.length === 0);
    expect(upstream.server.connections.length).toBeLessThanOrEqual(2);
  });
});
