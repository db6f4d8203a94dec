/** Whoever is slow slows the other side down, stream by stream: what waits in the proxy stays small, and nothing is lost. */
import type { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../support/http2/bodies.ts';
import type { NodeClient, Protocol } from '../../support/http2/node-peers.ts';
import { Pair, protocolPairs } from '../../support/http2/pairs.ts';
import { turns, until } from '../../support/turns.ts';

const pairs = {} as Record<Protocol, Pair>;

beforeAll(async () => {
  const window = { initial_stream_window_size: 100_000, initial_connection_window_size: 400_000 };
  const manager = { http2_protocol_options: window };
  pairs.h1 = await Pair.start('h1', { manager });
  pairs.h2 = await Pair.start('h2', { manager, http2: window });
});
afterAll(async () => {
  await pairs.h1.close();
  await pairs.h2.close();
});

const chunk = Buffer.alloc(65_536, 'Backpressure. ');
/** Much more than the kernel and the windows hold. */
const chunks = 1_000;
const whole = digestOf(Buffer.concat(Array.from({ length: chunks }, () => chunk)));

interface Writing {
  written: number;
  isDone: boolean;
}

/** Writes as long as it is asked for more. */
function writeAll(target: Writable): Writing {
  const writing: Writing = { written: 0, isDone: false };
  const write = (): void => {
    while (writing.written < chunks) {
      writing.written += 1;
      if (!target.write(chunk)) return;
    }
    if (!writing.isDone) target.end();
    writing.isDone = true;
  };
  target.on('drain', write);
  write();
  return writing;
}

/** Until nothing more is written for a while. */
async function untilStalled(writing: () => Writing | undefined): Promise<number> {
  for (let last = -1, same = 0; same < 300;) {
    const now = writing()?.written ?? 0;
    same = now === last ? same + 1 : 0;
    last = now;
    await turns(2);
  }
  return writing()?.written ?? 0;
}

describe.each(protocolPairs)('%s to %s:', (downstream, upstream) => {
  let pair: Pair;
  let client: NodeClient;

  beforeAll(async () => {
    pair = pairs[upstream];
    client = await pair.connect(downstream);
  });
  afterEach(async () => {
    await pair.clear();
    client = await pair.connect(downstream);
  });
  afterAll(() => pair.clear());

  it('a client that does not read stops its server, not the others, and gets everything in the end', async () => {
    let writing: Writing | undefined = undefined;
    pair.server.respond = (request, response) => {
      response.writeHead(200);
      if (request.url === '/slow') writing = writeAll(response);
      else response.end('ok');
    };
    const { response } = client.begin({ path: '/slow' }, true);
    const { body } = await response;
    body.pause();
    const written = await untilStalled(() => writing);
    expect(written).toBeGreaterThan(0);
    expect(written, 'it was stopped long before its end').toBeLessThan(chunks / 2);
    expect((await client.call({ path: '/other' })).body.toString()).toBe('ok');
    const parts: Buffer[] = [];
    body.on('data', (bytes: Buffer) => parts.push(bytes));
    body.resume();
    await new Promise((resolve) => body.on('end', resolve));
    expect(digestOf(Buffer.concat(parts))).toBe(whole);
  });

  it('a server that does not read stops its client, not the others, and gets everything in the end', async () => {
    let resume: () => void = () => {};
    let isAsked = false;
    const parts: Buffer[] = [];
    pair.server.respond = (request, response) => {
      response.writeHead(200);
      if (request.url !== '/slow') return void response.end('ok');
      request.on('data', (bytes: Buffer) => parts.push(bytes));
      request.pause();
      resume = () => void request.resume();
      isAsked = true;
      request.on('end', () => response.end('got it'));
    };
    const exchange = client.begin({ method: 'PUT', path: '/slow' });
    const writing = writeAll(exchange.request);
    await until(
      () => isAsked,
      () => 'the request',
    );
    const written = await untilStalled(() => writing);
    expect(written, 'it was stopped long before its end').toBeLessThan(chunks / 2);
    expect((await client.call({ path: '/other' })).body.toString()).toBe('ok');
    resume();
    expect((await exchange.answer).body.toString()).toBe('got it');
    expect(digestOf(Buffer.concat(parts))).toBe(whole);
  });

  it('a client that goes away instead of reading frees everything', async () => {
    let writing: Writing | undefined = undefined;
    pair.server.respond = (_, response) => {
      response.writeHead(200);
      writing = writeAll(response);
    };
    const exchange = client.begin({ path: '/slow' }, true);
    (await exchange.response).body.pause();
    await untilStalled(() => writing);
    exchange.cancel();
    await until(
      () =>
        pair.proxy.stat('http.codec.downstream_rq_active') + pair.proxy.stat('cluster.backend.upstream_rq_active') ===
        0,
      () => 'the end of the request',
    );
  });
});
