/** B6: servers that close connections when they like, and clients that must not notice. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { headerOf, statusOf } from '../../support/http-message.ts';
import { type BackendConnection, RawBackend, okResponse } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { turns } from '../../support/turns.ts';
import { head } from './request-case.ts';

const backend = new RawBackend();
let proxy: CodecProxy;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
});
afterAll(async () => {
  // Without that the races would not have been any.
  expect(proxy.stat('cluster.backend.upstream_rq_retry')).toBeGreaterThan(0);
  await proxy.close();
  await backend.close();
});

type Close = (connection: BackendConnection) => void;
const fin: Close = ({ socket }) => void socket.end();
const rst: Close = ({ socket }) => void socket.resetAndDestroy();

/** After each response of a connection's own the server closes it, so many turns of the event loop later. */
function closeAfterResponses(close: Close, turnsUntil: () => number): void {
  const closed = new Set<BackendConnection>();
  backend.onRequest = (connection) => {
    if (closed.has(connection)) return;
    connection.send(okResponse);
    const wait = turnsUntil();
    const end = (): void => {
      closed.add(connection);
      close(connection);
    };
    if (wait === 0) end();
    else void turns(wait).then(end);
  };
}

async function countStatuses(method: string, times: number, pause: () => number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const client = await RawClient.connect(proxy.port);
  for (let i = 0; i < times; i++) {
    await turns(pause());
    client.send(head(`${method} /${i} HTTP/1.1`, 'Host: a', ...(method === 'POST' ? ['Content-Length: 0'] : [])));
    const response = (await client.untilResponses(i + 1))[i];
    const key =
      response === undefined ? 'none' : `${statusOf(response)} ${headerOf(response, 'x-heddle-reason') ?? ''}`;
    counts.set(key.slice(0, 6).trim(), (counts.get(key.slice(0, 6).trim()) ?? 0) + 1);
  }
  client.destroy();
  return counts;
}

describe.each([
  ['FIN', fin],
  ['RST', rst],
] as const)('B6: a server that sends %s at random after each response', (_name, close) => {
  test.each([1, 2])('never costs a GET anything (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    closeAfterResponses(close, () => Math.floor(random() * 6));
    const counts = await countStatuses('GET', 80, () => Math.floor(random() * 6));
    expect([...counts]).toEqual([['200', 80]]);
  });

  test('never sends a POST twice: it is answered, or fails with UC', async () => {
    const random = seededRandom(3);
    closeAfterResponses(close, () => Math.floor(random() * 6));
    const before = backend.requests.length;
    const counts = await countStatuses('POST', 80, () => Math.floor(random() * 6));
    expect([...counts.keys()].filter((key) => key !== '200' && key !== '503 UC')).toEqual([]);
    const paths = backend.requests.slice(before).map(({ startLine }) => startLine);
    expect(new Set(paths).size).toBe(paths.length);
  });
});
