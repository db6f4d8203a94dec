import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { headerOf, statusOf } from '../../support/http-message.ts';
import { RawBackend, okResponse } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turn, turns } from '../../support/turns.ts';
import { head } from './request-case.ts';
import { type ResponseCase, responseCases } from './response-cases.ts';
import { splitAt, splitOffsets } from './splits.ts';

const backend = new RawBackend();
let proxy: CodecProxy;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

/** The upstream answers the first request with `pieces` and every later one properly. */
function answerWith(pieces: readonly string[], ends: boolean): Promise<void> {
  return new Promise((resolve) => {
    backend.onRequest = (connection) => {
      backend.onRequest = (later) => later.send(okResponse);
      const send = async (): Promise<void> => {
        for (const piece of pieces) {
          if (connection.socket.writable) connection.send(piece);
          await turn();
        }
        if (ends) connection.socket.end();
        await turns(2);
        resolve();
      };
      void send();
    };
  });
}

async function exchange({ method, ends }: ResponseCase, pieces: readonly string[]): Promise<ResponseCase['client']> {
  const answered = answerWith(pieces, ends);
  const client = await RawClient.connect(proxy.port);
  try {
    client.send(head(`${method} / HTTP/1.1`, 'Host: a'));
    await answered;
    const [response] = await client.untilResponses(1, new Set(method === 'HEAD' ? [0] : []));
    if (response === undefined) return client.wasReset ? 'reset' : { head: client.text, body: 'without an end' };
    expect(client.receivedBytes, 'bytes of one response').toBe(response.length);
    const isBadGateway =
      statusOf(response) === 502 && headerOf(response, 'x-heddle-reason')?.startsWith('UPE ') === true;
    return isBadGateway ? 'bad gateway' : { head: response.head, body: response.body };
  } finally {
    client.destroy();
  }
}

/** Whether the connection that served the first request also serves the next. */
async function isReused(): Promise<boolean> {
  const before = backend.connections.length;
  const client = await RawClient.connect(proxy.port);
  client.send(head('GET /next HTTP/1.1', 'Host: a'));
  const [response] = await client.untilResponses(1);
  expect(response?.body, 'the next response').toBe('ok');
  client.destroy();
  return backend.connections.length === before;
}

describe('a response with', () => {
  it.each(responseCases.map((each) => [each.name, each] as const))(
    '%s, whole or split at any byte',
    async (_, each) => {
      const isShort = each.send.length < 400;
      const offsets = splitOffsets(each.send).map((offset) => splitAt(each.send, offset));
      for (const pieces of [[each.send], ...offsets, ...(isShort ? [each.send.split('')] : [])]) {
        const where = `in pieces of ${pieces.map(({ length }) => length).join(', ')}`;
        backend.clear();
        expect(await exchange(each, pieces), where).toEqual(each.client);
        expect(await isReused(), `reuse ${where}`).toBe(each.reuses);
        expect(backend.requests.length, `requests ${where}`).toBe(2);
      }
      await proxy.untilQuiet();
    },
  );
});

describe('an HTTP/1.0 client', () => {
  it.each([
    ['chunks', `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`, false],
    ['a body until close', `${head('HTTP/1.1 200 OK')}abc`, true],
  ])('gets %s as a body that ends with the connection', async (_, send, ends) => {
    for (const connection of ['close', 'keep-alive']) {
      backend.clear();
      void answerWith([send], ends);
      const client = await RawClient.connect(proxy.port);
      client.send(head('GET / HTTP/1.0', `Connection: ${connection}`));
      await client.untilOver();
      expect(client.text).toBe(
        `${head('HTTP/1.1 200 OK', 'x-envoy-upstream-service-time: 0', 'connection: close')}abc`,
      );
      expect(client.wasReset).toBe(false);
      client.destroy();
    }
    await proxy.untilQuiet();
  });

  it('is told that its connection stays when it asked for that and the length is known', async () => {
    backend.clear();
    const client = await RawClient.connect(proxy.port);
    client.send(head('GET / HTTP/1.0', 'Connection: keep-alive'));
    const [response] = await client.untilResponses(1);
    expect(response?.head).toContain('\r\nconnection: keep-alive\r\n');
    expect(client.isOver).toBe(false);
    client.destroy();
    await proxy.untilQuiet();
  });
});
