/** R9: the server goes away at every byte of its response: the client gets all of it or an error, never something else. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { http2Cluster } from '../../support/http2/bootstraps.ts';
import { Flag, continuation, data, headers, padded, ping, settings, settingsAck } from '../../support/http2/frames.ts';
import { block } from '../../support/http2/hpack-writer.ts';
import { type Protocol, protocols } from '../../support/http2/node-peers.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawServer, answerOk } from '../../support/http2/raw-server.ts';
import { RawBackend, okResponse } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { statusOf } from '../../support/http-message.ts';
import { turns } from '../../support/turns.ts';
import { head } from '../http1/request-case.ts';
import { cutNames, cutOffsets, sendAndCut } from './cuts.ts';
import { concat, requestFields } from './server-case.ts';

const body = 'Hello\r\nworld';
const fields = block([
  [':status', '200'],
  ['x-head', '1'],
]);

/** What a server sends on a connection whose first request is on stream 1. */
const responses: Readonly<Record<string, Buffer>> = {
  'a head alone': concat(settings(), settingsAck, headers(1, fields, 5)),
  'a head alone, with a length': concat(
    settings(),
    settingsAck,
    headers(
      1,
      block([
        [':status', '200'],
        ['content-length', '0'],
      ]),
      5,
    ),
  ),
  'a body of known length': concat(
    settings(),
    settingsAck,
    headers(
      1,
      block([
        [':status', '200'],
        ['content-length', String(body.length)],
      ]),
    ),
    data(1, body.slice(0, 4)),
    data(1, body.slice(4), Flag.endStream),
  ),
  'everything that there is': concat(
    settings(),
    settingsAck,
    headers(1, block([[':status', '103']])),
    headers(1, fields.subarray(0, 5), 0),
    continuation(1, fields.subarray(5)),
    ping(),
    data(1, padded(body.slice(0, 4), 3), Flag.padded),
    data(1, body.slice(4)),
    headers(1, block([['x-trailer', '1']]), Flag.endHeaders | Flag.endStream),
  ),
};

interface Got {
  /** 0: none. */
  readonly status: number;
  readonly body: string;
  readonly isWhole: boolean;
}

let server: RawServer;
let proxy: CodecProxy;
const clientsOfTest: { destroy(): void }[] = [];

beforeAll(async () => {
  server = await RawServer.start();
  proxy = await CodecProxy.start({ upstreamPorts: [server.port], cluster: http2Cluster() });
});
afterEach(async () => {
  for (const client of clientsOfTest.splice(0)) client.destroy();
  await server.clear();
  await proxy.untilQuiet();
});
afterAll(async () => {
  await proxy.close();
  await server.close();
});

const clients: Readonly<Record<Protocol, () => Promise<Got>>> = {
  h1: async () => {
    const client = await RawClient.connect(proxy.port);
    clientsOfTest.push(client);
    client.send(head('GET /cut HTTP/1.1', 'Host: a'));
    const [response] = await client.untilResponses(1);
    const status =
      response === undefined ? Number(/^HTTP\/1\.1 (\d+)/.exec(client.text)?.[1] ?? 0) : statusOf(response);
    if (response === undefined) expect(client.isOver, 'an error that can be seen').toBe(true);
    client.destroy();
    return { status, body: response?.body ?? '', isWhole: response !== undefined };
  },
  h2: async () => {
    const client = await RawPeer.open(proxy.port);
    clientsOfTest.push(client);
    client.sendHead(1, requestFields('GET', '/cut'));
    const message = await client.whole(1);
    expect(client.breaches).toEqual([]);
    client.destroy();
    return { status: message.status, body: message.body, isWhole: message.isEnded };
  },
};

describe.each(Object.keys(responses))('R9: %s,', (what) => {
  const bytes = responses[what] ?? Buffer.alloc(0);

  it.each(protocols.flatMap((protocol) => cutNames.map((name) => [protocol, name] as const)))(
    'for a client of %s, cut by %s anywhere',
    async (protocol, name) => {
      for (const at of cutOffsets(bytes.length)) {
        await server.clear();
        await proxy.untilQuiet();
        server.onConnection = (peer) => (peer.isPolite = false);
        server.onRequest = ({ peer }) => {
          server.onConnection = (later) => later.greet();
          server.onRequest = answerOk;
          void sendAndCut(peer, bytes, at, name);
        };
        const got = await clients[protocol]();
        const where = `at ${at} of ${bytes.length}`;
        if (got.isWhole && got.status === 200) {
          const isRight = got.body === (what.startsWith('a head alone') ? '' : body);
          // What the server had sent whole, or what it sent again when it was asked once more.
          expect(isRight || (got.body === 'ok' && server.countOf('/cut') === 2), where).toBe(true);
          if (isRight) expect(at, where).toBeGreaterThanOrEqual(bytes.length - 30);
        } else if (got.isWhole) {
          expect([502, 503], where).toContain(got.status);
        }
        expect(server.countOf('/cut'), where).toBeLessThanOrEqual(2);
      }
    },
  );
});

describe('R9: a response in HTTP/1.1 for a client of HTTP/2', () => {
  const backend = new RawBackend();
  let other: CodecProxy;

  beforeAll(async () => {
    await backend.start();
    other = await CodecProxy.start({ upstreamPorts: [backend.port] });
  });
  afterAll(async () => {
    await other.close();
    await backend.close();
  });

  it.each([
    ['Content-Length', `${head('HTTP/1.1 200 OK', 'Content-Length: 12')}${body}`],
    ['chunks', `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}5\r\nHello\r\n7\r\n\r\nworld\r\n0\r\n\r\n`],
  ])('with %s is all of it or an error', async (_, text) => {
    for (const how of ['end', 'resetAndDestroy'] as const) {
      for (let at = 0; at < text.length; at++) {
        backend.clear();
        backend.onRequest = (connection) => {
          backend.onRequest = (later) => later.send(okResponse);
          connection.send(text.slice(0, at));
          void turns(3).then(() => connection.socket[how]());
        };
        const client = await RawPeer.open(other.port);
        clientsOfTest.push(client);
        client.sendHead(1, requestFields('POST', '/'));
        const message = await client.whole(1);
        const where = `${how} at ${at}`;
        if (message.isEnded) expect([502, 503], where).toContain(message.status);
        else expect(message.resetCode, where).toBeGreaterThan(0);
        expect(message.status === 200 ? body.startsWith(message.body) : true, where).toBe(true);
        expect(client.breaches, where).toEqual([]);
        client.destroy();
        await other.untilQuiet();
      }
    }
  });
});
