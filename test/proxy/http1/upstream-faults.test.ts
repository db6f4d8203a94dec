/** The upstream fails at every byte of its response: the client gets all of it or an error, never something else. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { headerOf, statusOf } from '../../support/http-message.ts';
import { type BackendConnection, RawBackend, okResponse } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const backend = new RawBackend();
let proxy: CodecProxy;
const clients: RawClient[] = [];

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

/** A second longer than a stream may be idle by default, and once more for bytes that came in between. */
const stallMs = 602_000;

/** RST that comes together with the bytes in front of it. */
const resetAtOnce = 'RST in one go';

const faults: Readonly<Record<string, (connection: BackendConnection) => void>> = {
  [resetAtOnce]: ({ socket }) => socket.resetAndDestroy(),
  RST: ({ socket }) => socket.resetAndDestroy(),
  FIN: ({ socket }) => socket.end(),
  stall: () => proxy.clock.advance(stallMs),
};

const ok = 'HTTP/1.1 200 OK';
const responses = {
  'Content-Length': `${head(ok, 'Content-Length: 12')}Hello\r\nworld`,
  chunks: `${head(ok, 'Transfer-Encoding: chunked')}5\r\nHello\r\n7;x\r\n\r\nworld\r\n0\r\nT: 1\r\n\r\n`,
  'a body until close': `${head(ok)}Hello\r\nworld`,
};
const body = 'Hello\r\nworld';

const requests = {
  GET: head('GET / HTTP/1.1', 'Host: a'),
  POST: `${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 3')}abc`,
};
type Method = keyof typeof requests;

interface Outcome {
  readonly client: RawClient;
  /** How often the upstream saw the request. */
  readonly attempts: number;
}

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(proxy.port);
  clients.push(client);
  return client;
}

/** The upstream sends `begin`, and when that was read, fails. Later requests it answers properly. */
async function failAfter(method: Method, begin: string, faultName: string): Promise<Outcome> {
  const fault = faults[faultName] ?? ((): void => {});
  let failing: BackendConnection | undefined = undefined;
  backend.onRequest = (connection) => {
    backend.onRequest = (later) => later.send(okResponse);
    failing = connection;
    if (begin !== '') connection.send(begin);
    if (faultName === resetAtOnce) fault(connection);
  };
  const client = await connect();
  client.send(requests[method]);
  await until(
    () => failing !== undefined,
    () => 'the request at the upstream',
  );
  await turns(2);
  if (failing !== undefined && faultName !== resetAtOnce) fault(failing);
  await client.untilResponses(1);
  return { client, attempts: backend.requests.length };
}

/** Puts a connection into the pool, so that the next request meets one that was used before. */
async function warmUp(): Promise<void> {
  const client = await connect();
  client.send(requests.GET);
  await client.untilResponses(1);
  client.destroy();
}

/** What arrived of a body in chunks or not. */
function partialBody(text: string): string {
  const start = text.indexOf('\r\n\r\n') + 4;
  if (start < 4) return '';
  const rest = text.slice(start);
  return text.includes('transfer-encoding: chunked')
    ? rest.replaceAll(/[0-9a-f]+\r\n([^]*?)\r\n(?=[0-9a-f]+\r\n|$)/g, '$1')
    : rest;
}

function expectCut({ client }: Outcome, where: string): void {
  expect(client.wasReset, `the client sees an error ${where}`).toBe(true);
  expect(client.responses(), `no complete response ${where}`).toEqual([]);
  expect(body.startsWith(partialBody(client.text)), `a prefix of the body ${where}: ${client.text}`).toBe(true);
}

function expectLocalReply({ client }: Outcome, status: number, flag: string): void {
  const [response] = client.responses();
  expect(client.text).toMatch(/^HTTP\/1\.1 /);
  expect(response && statusOf(response)).toBe(status);
  expect(response && headerOf(response, 'x-heddle-reason')).toMatch(new RegExp(`^${flag} `));
}

describe.each(Object.entries(responses))('when a response with %s', (framing, response) => {
  const headLength = response.indexOf('\r\n\r\n') + 4;
  const isUntilClose = framing === 'a body until close';

  describe.each(Object.keys(faults))('meets %s at any byte', (faultName) => {
    const expectFailure = (outcome: Outcome, at: number): void => {
      const where = `at ${at}`;
      if (isUntilClose && faultName === 'FIN' && at >= headLength) {
        expect(outcome.client.responses()[0]?.body, where).toBe(body.slice(0, at - headLength));
      } else if (at >= headLength) {
        expectCut(outcome, where);
      } else if (faultName === 'stall') {
        expectLocalReply(outcome, 504, 'SI');
      } else {
        expectLocalReply(outcome, 503, 'UC');
      }
    };
    const end = isUntilClose ? response.length + 1 : response.length;

    it.each(['GET', 'POST'] as const)('%s on a new connection fails and is not sent again', async (method) => {
      for (let at = 0; at < end; at++) {
        backend.clear();
        const outcome = await failAfter(method, response.slice(0, at), faultName);
        expectFailure(outcome, at);
        expect(outcome.attempts).toBe(1);
        outcome.client.destroy();
        await proxy.untilQuiet();
      }
    });

    it('POST on a connection that was used before fails and is not sent again', async () => {
      for (let at = 0; at < end; at++) {
        await warmUp();
        backend.clear();
        const outcome = await failAfter('POST', response.slice(0, at), faultName);
        expectFailure(outcome, at);
        expect(outcome.attempts).toBe(1);
        outcome.client.destroy();
        await proxy.untilQuiet();
      }
    });

    it('GET on a connection that was used before is sent once more unless its response began', async () => {
      for (let at = 0; at < end; at++) {
        await warmUp();
        backend.clear();
        const outcome = await failAfter('GET', response.slice(0, at), faultName);
        if (at < headLength && faultName !== 'stall') {
          expect(outcome.client.responses()[0]?.body).toBe('ok');
          expect(outcome.attempts).toBe(2);
        } else {
          expectFailure(outcome, at);
          expect(outcome.attempts).toBe(1);
        }
        outcome.client.destroy();
        await proxy.untilQuiet();
      }
    });
  });
});

describe('an HTTP/1.0 client, whose body ends with the connection,', () => {
  it.each(Object.keys(faults))('sees a reset when the response is cut by %s', async (faultName) => {
    const fault = faults[faultName] ?? ((): void => {});
    const response = responses.chunks;
    for (let at = response.indexOf('\r\n\r\n') + 4; at < response.length; at++) {
      backend.clear();
      let failing: BackendConnection | undefined = undefined;
      backend.onRequest = (connection) => {
        failing = connection;
        connection.send(response.slice(0, at));
        if (faultName === resetAtOnce) fault(connection);
      };
      const client = await connect();
      client.send(head('GET / HTTP/1.0'));
      await until(
        () => failing !== undefined,
        () => 'the request at the upstream',
      );
      await turns(2);
      if (failing !== undefined && faultName !== resetAtOnce) fault(failing);
      await client.untilOver();
      await turns(1);
      expect(client.wasReset, `at ${at}`).toBe(true);
      client.destroy();
      await proxy.untilQuiet();
    }
  });
});
