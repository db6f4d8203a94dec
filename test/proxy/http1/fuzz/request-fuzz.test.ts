/** That the fuzzer of requests compares what comes behind upgrades too, and says who waits when nothing comes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { head } from '../request-case.ts';
import { RequestHarness, describeWait } from './request-fuzz.ts';

let harness: RequestHarness;

beforeAll(async () => {
  harness = await RequestHarness.start();
});
afterAll(() => harness.close());

const upgrade = head('GET / HTTP/1.1', 'Host: a', 'Connection: upgrade', 'Upgrade: websocket');
/** node:http, which does not know it, refuses it, but behind an upgrade that it did not grant it ignores it. */
const unknown = head('get / HTTP/1.1', 'Host: a');
const judge = (...requests: readonly string[]) => harness.judge(requests.join(''), [requests.join('')]);

describe('behind an upgrade that is not granted', () => {
  it.each([1, 5])('%i requests whose method the backend does not know are answered', async (count) => {
    expect(await judge(upgrade, ...Array.from({ length: count }, () => unknown))).toEqual({
      forwarded: 0,
      finding: undefined,
    });
  });

  it('so are those of the next client', async () => {
    expect(await judge(upgrade)).toEqual({ forwarded: 1, finding: undefined });
    expect(await judge(unknown)).toEqual({ forwarded: 0, finding: undefined });
  });

  it('a method that it knows is read and compared', async () => {
    const known = head('GET /2 HTTP/1.1', 'Host: a');
    expect(await judge(upgrade, known)).toEqual({ forwarded: 2, finding: undefined });
  });
});

it('a trailer that would close the connection, which llhttp obeys and the proxy drops, is excused', async () => {
  const chunked = head('POST /1 HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked');
  const next = head('GET /2 HTTP/1.1', 'Host: a');
  expect(await judge(chunked, '0\r\nConnection: close\r\n\r\n', next)).toEqual({ forwarded: 2, finding: undefined });
});

describe('when a client waits in vain', () => {
  it.each([
    [{}, 'the proxy has no request and does not close'],
    [
      { 'http.test.downstream_rq_active': 1, 'cluster.backend.upstream_rq_pending_active': 1 },
      'the proxy waits for a connection to the backend, for 1 requests',
    ],
    [
      { 'http.test.downstream_rq_active': 1, 'cluster.backend.upstream_rq_active': 1 },
      'the proxy waits for the backend, which read last GET /',
    ],
    [{ 'http.test.downstream_rq_active': 1 }, 'the proxy has 1 requests, and none of them waits for the backend'],
  ])('the finding says who waits for whom: %j', (gauges: Readonly<Record<string, number>>, said) => {
    expect(describeWait((name) => gauges[name] ?? 0, 'GET /')).toBe(said);
  });
});

it('a request that node:http forgets, because the beginning of HTTP/2 comes behind it in the same read, is no finding', async () => {
  const first = head('POST //a/b HTTP/1.1', 'Host: a');
  expect(await judge(first, head('PRI //a/1.1', 'Host: a'))).toEqual({ forwarded: 1, finding: undefined });
});
