import { describe, expect, test } from 'vitest';
import { MeshError } from '../../../proxy/common/errors.ts';
import type { FilterFactory, HttpFilter } from '../../../proxy/http/filter.ts';
import type { HttpStream } from '../../../proxy/http/stream.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';

async function start(...filters: FilterFactory[]): Promise<{ proxy: ProxyParts; backend: Backend }> {
  const backend = closeAfterTest(await Backend.start());
  const proxy = closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([routeTo('backend')]),
      clusters: [staticCluster('backend', [backend.port])],
      filters,
    }),
  );
  await proxy.start();
  return { proxy, backend };
}

/** Stops every request until it is let go, or answered instead. */
class Gate {
  readonly waiting: HttpStream[] = [];
  readonly create: FilterFactory = (stream) => ({
    decodeHeaders: () => {
      this.waiting.push(stream);
      return 'stop';
    },
  });

  next(): HttpStream {
    const stream = this.waiting.shift();
    if (stream === undefined) throw new Error('no request waits');
    return stream;
  }
}

test('filters see the request in the order of the chain and the response in reverse', async () => {
  const seen: string[] = [];
  const watch =
    (name: string): FilterFactory =>
    () => ({
      decodeHeaders: () => {
        seen.push(`${name} request`);
        return 'continue';
      },
      decodeData: (data, endStream) => void seen.push(`${name} ${data.end - data.start} ${endStream}`),
      encodeHeaders: ({ status }) => void seen.push(`${name} ${status}`),
      onDestroy: () => void seen.push(`${name} end`),
    });
  const { proxy } = await start(watch('a'), watch('b'));
  await call(proxy.port(), { method: 'POST', body: 'four' });
  expect(seen).toEqual(['a request', 'b request', 'a 4 true', 'b 4 true', 'b 200', 'a 200', 'a end', 'b end']);
});

describe('a filter that stops a request', () => {
  test('holds it back until it lets it go', async () => {
    const gate = new Gate();
    const { proxy, backend } = await start(gate.create);
    const answer = call(proxy.port(), { path: '/held' });
    await until(() => gate.waiting.length === 1);
    expect(backend.requests).toBe(0);
    gate.next().continueDecoding();
    expect(echoOf(await answer).url).toBe('/held');
  });

  test.each([
    ['with a length', 'content-length: 8\r\n', ['ab', 'cdef', 'gh']],
    ['in chunks', 'transfer-encoding: chunked\r\n', ['2\r\nab\r\n', '4\r\ncdef\r\n', '2\r\ngh\r\n0\r\n\r\n']],
  ])('keeps the body %s that comes meanwhile, and the rest follows', async (_, framing, [first = '', ...rest]) => {
    const gate = new Gate();
    const { proxy } = await start(gate.create);
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send(`POST / HTTP/1.1\r\nhost: test\r\n${framing}\r\n${first}`);
    await until(() => gate.waiting.length === 1);
    client.send(rest[0] ?? '');
    await new Promise((resolve) => setTimeout(resolve, 5));
    gate.next().continueDecoding();
    client.send(rest[1] ?? '');
    expect(echoOf(await client.readResponse()).body).toBe('abcdefgh');
  });

  test('forwards a body that was there whole, and one that is chunked and empty', async () => {
    const gate = new Gate();
    const ends: boolean[] = [];
    const watch: FilterFactory = () => ({
      decodeHeaders: (_head, endStream) => {
        ends.push(endStream);
        return 'continue';
      },
    });
    const { proxy } = await start(gate.create, watch);
    for (const body of ['7\r\nall of \r\n2\r\nit\r\n', '']) {
      const client = closeAfterTest(await RawConnection.open(proxy.port()));
      client.send(`POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n${body}0\r\n\r\n`);
      await until(() => gate.waiting.length === 1);
      gate.next().continueDecoding();
      expect(echoOf(await client.readResponse()).body).toBe(body === '' ? '' : 'all of it');
    }
    expect(ends).toEqual([false, false]);
  });

  test('holds a large body in the client, not in memory', async () => {
    const gate = new Gate();
    const { proxy } = await start(gate.create);
    const body = 'x'.repeat(30_000_000);
    const before = process.memoryUsage().arrayBuffers;
    const answer = call(proxy.port(), { method: 'PUT', body });
    await until(() => gate.waiting.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(gate.waiting[0]!.requestBytes).toBeLessThan(1_000_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100_000_000);
    gate.next().continueDecoding();
    expect(echoOf(await answer).body).toHaveLength(body.length);
  });

  test('may answer instead', async () => {
    const gate = new Gate();
    const { proxy, backend } = await start(gate.create);
    const answer = call(proxy.port());
    await until(() => gate.waiting.length === 1);
    gate.next().sendLocalReply(new MeshError('overflow', 'the gate is closed'));
    expect(await answer).toMatchObject({ status: 503, headers: { 'x-heddle-reason': 'UO the gate is closed' } });
    expect(backend.requests).toBe(0);
  });

  test('is not asked again about a request whose client has gone, and the next request finds nothing of it', async () => {
    const gate = new Gate();
    const { proxy, backend } = await start(gate.create);
    const client = await RawConnection.open(proxy.port());
    client.send('POST /gone HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nleftovers');
    await until(() => gate.waiting.length === 1);
    const gone = gate.next();
    client.reset();
    await until(() => proxy.finished.length === 1);
    gone.continueDecoding();
    const answer = call(proxy.port(), { method: 'POST', path: '/next', body: 'own' });
    await until(() => gate.waiting.length === 1);
    expect(gate.waiting[0]).toBe(gone);
    gate.next().continueDecoding();
    expect(echoOf(await answer)).toMatchObject({ url: '/next', body: 'own' });
    expect(backend.requests).toBe(1);
  });

  test('does not stop the next request of the same stream by having answered this one', async () => {
    const answersFirst: FilterFactory = (stream) => ({
      decodeHeaders: (head) => {
        if (head.path !== '/refused') return 'continue';
        stream.sendLocalReply(new MeshError('overflow', 'refused'));
        return 'stop';
      },
    });
    const { proxy } = await start(answersFirst);
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    expect((await client.get('/refused')).status).toBe(503);
    client.send('POST /next HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody');
    expect(echoOf(await client.readResponse())).toMatchObject({ url: '/next', body: 'body' });
  });
});

test('a filter that answers in the middle of a body leaves none of it to the next request', async () => {
  const refusesData: FilterFactory = (stream): HttpFilter => ({
    decodeData: (data) => {
      if (data.bytes.toString('latin1', data.start, data.end).includes('bad')) {
        stream.sendLocalReply(new MeshError('bad_request', 'bad data'));
      }
    },
  });
  const { proxy } = await start(refusesData);
  for (let i = 0; i < 3; i++) {
    expect((await call(proxy.port(), { method: 'POST', body: 'bad bytes' })).status).toBe(400);
    expect(echoOf(await call(proxy.port(), { method: 'POST', body: `good ${i}` })).body).toBe(`good ${i}`);
    expect(echoOf(await call(proxy.port())).body).toBe('');
  }
});
