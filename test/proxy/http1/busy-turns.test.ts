/** More connections have something in one turn of the event loop than are worked on together; each gets what is its own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const clientCount = 150;
/** Up to 8 KiB are set aside until all sockets were read, more is passed on at once. */
const bodyBytes = [0, 1, 100, 8_000, 8_191, 8_192, 8_193, 20_000, 70_000];

const backend = new RawBackend();
let proxy: CodecProxy;
let clients: RawClient[];

beforeAll(async () => {
  backend.onRequest = (connection, { body }) =>
    connection.send(`${head('HTTP/1.1 200 OK', `Content-Length: ${body.length}`)}${body}`);
  await backend.start();
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
  clients = await Promise.all(Array.from({ length: clientCount }, () => RawClient.connect(proxy.port)));
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await proxy.close();
  await backend.close();
});

/** Of client `i` in `round`, unlike all others. */
function bodyOf(i: number, round: number): string {
  return `${i}/${round},`.repeat(20_000).slice(0, bodyBytes[(i + round) % bodyBytes.length]);
}

function requestOf(i: number, round: number): string {
  const body = bodyOf(i, round);
  return head(`POST /${i} HTTP/1.1`, 'Host: a', `Content-Length: ${body.length}`) + body;
}

describe('150 connections that ask at once', () => {
  it('get their own answers whole, time after time', async () => {
    for (let round = 1; round <= 5; round++) {
      // All of it is in the kernel before the loop looks again.
      for (const [i, client] of clients.entries()) client.send(requestOf(i, round));
      await until(() => clients.every((client) => client.responses().length === round));
      const bodies = clients.map((client) => client.responses().at(-1)?.body);
      expect(bodies.every((body, i) => body === bodyOf(i, round))).toBe(true);
    }
  });

  it('get them also when half of them are gone in the same turn, and what those wanted is given up', async () => {
    const answered = clients.map((client) => client.responses().length);
    for (const [i, client] of clients.entries()) {
      client.send(requestOf(i, 0));
      if (i % 2 === 1) client.reset();
    }
    const stay = clients.filter((_, i) => i % 2 === 0);
    await until(() => stay.every((client, i) => client.responses().length === (answered[2 * i] ?? 0) + 1));
    expect(stay.every((client, i) => client.responses().at(-1)?.body === bodyOf(2 * i, 0))).toBe(true);
    for (const client of stay) client.destroy();
    await proxy.untilQuiet();
  });
});
