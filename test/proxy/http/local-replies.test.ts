import { describe, expect, test } from 'vitest';
import { type MeshErrorCode, MeshError, meshErrors } from '../../../proxy/common/errors.ts';
import type { FilterFactory } from '../../../proxy/http/filter.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type PartsOptions, ProxyParts } from '../../support/proxy-parts.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';

const start = (options: PartsOptions = {}): Promise<ProxyParts> => closeAfterTest(new ProxyParts(options)).start();

const codes = Object.keys(meshErrors) as MeshErrorCode[];

describe('a local reply', () => {
  test.each(codes.filter((code) => meshErrors[code].status > 0))(
    'for %s has its status, and its flag and sentence in x-heddle-reason',
    async (code) => {
      const fails: FilterFactory = (stream) => ({
        decodeHeaders: () => {
          stream.sendLocalReply(new MeshError(code, 'one sentence'));
          return 'stop';
        },
      });
      const proxy = await start({ filters: [fails] });
      const { status, flag } = meshErrors[code];
      const answer = await call(proxy.port());
      expect(answer).toMatchObject({ status, body: 'one sentence' });
      expect(answer.headers).toMatchObject({
        'x-heddle-reason': `${flag} one sentence`,
        'content-type': 'text/plain',
        'content-length': '12',
        server: 'heddle',
      });
      expect(proxy.finished).toMatchObject([{ status, flag, reason: 'one sentence' }]);
    },
  );

  test('to HEAD has no body, and the connection goes on', async () => {
    const proxy = await start();
    expect(await call(proxy.port(), { method: 'HEAD' })).toMatchObject({ status: 404, body: '' });
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send('HEAD / HTTP/1.1\r\nhost: test\r\n\r\nGET / HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => client.unread.split('HTTP/1.1 404').length === 3);
  });

  test('keeps the connection of a whole request open', async () => {
    const proxy = await start({ routes: routeConfiguration([routeTo('gone')]) });
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    for (let i = 0; i < 3; i++) expect((await client.get()).status).toBe(503);
    expect(proxy.stat('http.test.downstream_cx_total')).toBe(1);
  });

  test('passes the filters of the chain like any response', async () => {
    const signs: FilterFactory = () => ({
      encodeHeaders: ({ headers }) => headers.add(new HeaderName('x-signed'), 'yes'),
    });
    const proxy = await start({ filters: [signs] });
    expect((await call(proxy.port())).headers['x-signed']).toBe('yes');
  });

  test('is counted by class', async () => {
    const proxy = await start();
    await call(proxy.port());
    await call(proxy.port());
    expect(proxy.stat('http.test.downstream_rq_total')).toBe(2);
    expect(proxy.stat('http.test.downstream_rq_4xx')).toBe(2);
    expect(proxy.stat('http.test.downstream_rq_active')).toBe(0);
  });
});

test('an error that leaves nobody to reply to ends the connection without a reply', async () => {
  const fails: FilterFactory = (stream) => ({
    decodeHeaders: () => {
      stream.sendLocalReply(new MeshError('downstream_closed', 'gone'));
      return 'stop';
    },
  });
  const proxy = await start({ filters: [fails] });
  const client = await RawConnection.open(proxy.port());
  client.send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
  await client.waitForEnd();
  expect(client.unread).toBe('');
  expect(proxy.finished).toMatchObject([{ status: 0, flag: 'DC' }]);
});

describe('time limits of a connection', () => {
  test('count from its first moment, also after hours without any connection', async () => {
    const clock = new ManualClock();
    const proxy = await start({ clock, manager: { request_headers_timeout: '10s' } });
    clock.advance(7_200_000);
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send('GET / HTTP/1.1\r\n');
    await until(() => proxy.stat('http.test.downstream_cx_total') === 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    clock.advance(8_000);
    client.send('host: test\r\n\r\n');
    expect((await client.readResponse()).status).toBe(404);
  });

  test('a head that does not come in time is answered with 408, and the connection ends', async () => {
    const clock = new ManualClock();
    const proxy = await start({ clock, manager: { request_headers_timeout: '10s' } });
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send('GET / HTTP/1.1\r\n');
    await until(() => proxy.stat('http.test.downstream_cx_total') === 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    clock.advance(12_000);
    expect((await client.readResponse()).status).toBe(408);
    await client.waitForEnd();
    expect(proxy.finished).toMatchObject([{ status: 408, flag: '-', details: 'request_header_timeout' }]);
  });

  test('a request that does not come whole in time is answered with 408 too, and its details tell them apart', async () => {
    const clock = new ManualClock();
    const proxy = await start({
      clock,
      manager: { request_timeout: '10s' },
      filters: [() => ({ decodeHeaders: () => 'stop' })],
    });
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send('POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nabc');
    await until(() => proxy.stat('http.test.downstream_rq_active') === 1);
    clock.advance(12_000);
    expect((await client.readResponse()).status).toBe(408);
    expect(proxy.finished).toMatchObject([{ status: 408, flag: '-', details: 'request_overall_timeout' }]);
  });

  test('a connection that idles too long is closed, one that works is not', async () => {
    const clock = new ManualClock();
    const proxy = await start({ clock, manager: { common_http_protocol_options: { idle_timeout: '60s' } } });
    const idle = closeAfterTest(await RawConnection.open(proxy.port()));
    const busy = closeAfterTest(await RawConnection.open(proxy.port()));
    await until(() => proxy.stat('http.test.downstream_cx_active') === 2);
    for (let i = 0; i < 4; i++) {
      expect((await busy.get()).status).toBe(404);
      clock.advance(20_000);
    }
    await idle.waitForEnd();
    expect(busy.isEnded).toBe(false);
    expect((await busy.get()).status).toBe(404);
  });
});
