/** The upstream fails while a request is on its way to it, at every byte: nothing unsafe is sent twice, nothing is made whole. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { statusOf } from '../../support/http-message.ts';
import { type BackendConnection, RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const backend = new RawBackend();
let proxy: CodecProxy;
let client: RawClient;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({
    upstreamPorts: [backend.port],
    // What is retried by default.
    action: { retry_policy: { retry_on: 'connect-failure,refused-stream,reset-before-request', num_retries: 2 } },
  });
});
beforeEach(() => backend.clear());
afterEach(() => client.destroy());
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

/** A second longer than a stream may be idle by default. */
const stallMs = 602_000;

const faults: Readonly<Record<string, (connection: BackendConnection) => void>> = {
  RST: ({ socket }) => socket.resetAndDestroy(),
  FIN: ({ socket }) => void socket.end(),
  stall: ({ socket }) => {
    socket.pause();
    proxy.clock.advance(stallMs);
    proxy.clock.advance(stallMs);
  },
};

const body = 'Hello\r\nworld';
const framings: Readonly<Record<string, (method: string) => { readonly head: string; readonly rest: string }>> = {
  'a Content-Length': (method) => ({
    head: head(`${method} /x HTTP/1.1`, 'Host: a', `Content-Length: ${body.length}`),
    rest: body,
  }),
  chunks: (method) => ({
    head: head(`${method} /x HTTP/1.1`, 'Host: a', 'Transfer-Encoding: chunked'),
    rest: `5\r\nHello\r\n7;x\r\n\r\nworld\r\n0\r\n\r\n`,
  }),
};

/** Puts a connection into the pool, so that the request meets one that was used before. */
async function warmUp(): Promise<void> {
  const other = await RawClient.connect(proxy.port);
  other.send(head('GET / HTTP/1.1', 'Host: a'));
  await other.untilResponses(1);
  other.destroy();
  backend.clear();
}

/** Sends all up to `at` bytes of the body, lets the upstream that got it fail, and sends the rest. */
async function failAt(text: string, at: number, fault: (connection: BackendConnection) => void): Promise<void> {
  let failed = false;
  client = await RawClient.connect(proxy.port);
  client.send(text.slice(0, at));
  const find = (): BackendConnection | undefined => backend.connections.find(({ received }) => received !== '');
  backend.onRequest = (connection) => {
    // Whole already: this one fails instead of answering.
    if (failed) connection.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  };
  await until(
    () => find() !== undefined,
    () => `the request at the upstream, ${at} bytes`,
  );
  await turns(2);
  const connection = find();
  failed = true;
  if (connection !== undefined) fault(connection);
  await turns(1);
  if (client.socket.writable) client.send(text.slice(at));
  await client.untilResponses(1);
  connection?.socket.resume();
}

/** On how many connections the upstream saw anything of it. */
function attempts(method: string): number {
  return backend.connections.filter(({ received }) => received.startsWith(`${method} /x `)).length;
}

describe.each(Object.keys(faults))(
  'R9: when the upstream of a request fails with %s at any byte of its body',
  (name) => {
    const fault = faults[name] ?? ((): void => {});

    describe.each(Object.keys(framings))('sent with %s', (framing) => {
      it.each([
        ['POST', false],
        ['POST', true],
        ['PUT', false],
        ['PUT', true],
      ])(
        '%s (on a used connection: %s) ends in an error, or whole where it may be sent again',
        async (method, isReused) => {
          const request = framings[framing]?.(method) ?? { head: '', rest: '' };
          let repeated = 0;
          for (let at = 0; at <= request.rest.length; at++) {
            const where = `at ${at}`;
            if (isReused) await warmUp();
            backend.clear();
            await failAt(request.head + request.rest, request.head.length + at, fault);
            const statuses = client.responses().map(statusOf);
            expect(statuses.length, where).toBeLessThanOrEqual(1);
            if (method === 'POST' || name === 'stall') expect(attempts(method), where).toBe(1);
            if (method === 'POST') expect(Math.min(...statuses, 599), where).toBeGreaterThanOrEqual(400);
            if (statuses[0] === 200) expect(attempts(method), where).toBe(2);
            for (const seen of backend.requests) expect(seen.body, where).toBe(body);
            // A whole request was sent by then, or it was not: the upstream never sees a part as the whole.
            expect(backend.requests.length, where).toBeLessThanOrEqual(attempts(method));
            repeated += attempts(method) - 1;
            client.destroy();
            await proxy.untilQuiet();
          }
          // Otherwise the rule for POST would show nothing.
          if (method === 'PUT' && isReused && name !== 'stall') expect(repeated).toBeGreaterThan(0);
        },
      );
    });
  },
);
