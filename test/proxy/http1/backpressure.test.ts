/** Whoever is slow slows the other side down: what waits in the proxy stays small, and nothing of it is lost. */
import { createHash } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, afterAll, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { type BackendConnection, RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';
import { head } from './request-case.ts';

const backend = new RawBackend();
let proxy: CodecProxy;
let client: RawClient;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
});
beforeEach(async () => {
  backend.clear();
  client = await RawClient.connect(proxy.port);
});
afterEach(async () => {
  client.destroy();
  await proxy.untilQuiet();
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

/** Much more than the kernel holds for four sockets. */
const size = 96 * 1024 * 1024;
const chunk = Buffer.alloc(1024 * 1024, 'Backpressure. ');

/** Writes until the other side is slow for a while; returns how much of what was written waits in this process. */
async function fill(socket: { write(bytes: Buffer): boolean; writableLength: number }, total: number): Promise<number> {
  let written = 0;
  for (let idle = 0; written < total && idle < 20;) {
    if (socket.writableLength > 0) {
      idle++;
      await turns(5);
      continue;
    }
    idle = 0;
    written += chunk.length;
    socket.write(chunk);
    await turns(1);
  }
  return written;
}

function digest(parts: number, prefix = ''): string {
  const hash = createHash('sha256').update(prefix);
  for (let i = 0; i < parts; i++) hash.update(chunk);
  return hash.digest('hex');
}

/** The connection that carries the only request, once it is there. */
async function upstream(): Promise<BackendConnection> {
  await until(
    () => backend.connections.some(({ received }) => received !== ''),
    () => 'the request at the upstream',
  );
  const connection = backend.connections.find(({ received }) => received !== '');
  if (connection === undefined) throw new Error('it was there');
  return connection;
}

it('a slow reader pauses the upstream, and gets everything in the end', async () => {
  backend.onRequest = (connection) => connection.send(head('HTTP/1.1 200 OK', `Content-Length: ${size}`));
  client.send(head('GET / HTTP/1.1', 'Host: a'));
  const { socket } = await upstream();
  await until(
    () => client.text.endsWith('\r\n\r\n'),
    () => 'the head',
  );
  const headBytes = client.receivedBytes;
  const headText = client.text;
  client.socket.pause();
  const written = await fill(socket, size);
  expect(written, 'the upstream was paused long before its end').toBeLessThan(size / 2);
  expect(socket.writableLength).toBeGreaterThan(0);

  client.socket.resume();
  for (let left = size - written; left > 0; left -= chunk.length) socket.write(chunk);
  await until(
    () => client.receivedBytes === headBytes + size,
    () => `${size} bytes, got ${client.receivedBytes - headBytes}`,
  );
  expect(createHash('sha256').update(client.bytes).digest('hex')).toBe(digest(size / chunk.length, headText));
});

it('a slow upstream pauses the client, and gets everything in the end', async () => {
  const hash = createHash('sha256');
  let received = 0;
  backend.onBytes = ({ socket }) => {
    backend.onBytes = () => {};
    socket.pause();
    // From here on the test reads for itself: 96 MiB are no text.
    socket.removeAllListeners('data');
    socket.on('data', (bytes: Buffer) => {
      received += bytes.length;
      hash.update(bytes);
    });
    socket.pause();
  };
  client.send(head('PUT / HTTP/1.1', 'Host: a', `Content-Length: ${size}`));
  const { socket } = await upstream();
  const written = await fill(client.socket, size);
  expect(written, 'the client was paused long before its end').toBeLessThan(size / 2);
  expect(client.socket.writableLength).toBeGreaterThan(0);

  socket.resume();
  for (let left = size - written; left > 0; left -= chunk.length) client.socket.write(chunk);
  await until(
    () => received === size,
    () => `${size} bytes, got ${received}`,
  );
  expect(hash.digest('hex')).toBe(digest(size / chunk.length));
  socket.write(head('HTTP/1.1 204 No Content'));
  expect((await client.untilResponses(1)).length).toBe(1);
});

it('a chunked response is paused and resumed as well', async () => {
  backend.onRequest = (connection) => connection.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'));
  client.send(head('GET / HTTP/1.1', 'Host: a'));
  const { socket } = await upstream();
  client.socket.pause();
  const framed = Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
  const chunks = {
    write: () => socket.write(framed),
    get writableLength() {
      return socket.writableLength;
    },
  };
  const written = await fill(chunks, size);
  expect(written).toBeLessThan(size / 2);
  client.socket.resume();
  socket.write('0\r\n\r\n');
  await until(
    () => client.receivedBytes > written && client.bytes.subarray(-5).equals(Buffer.from('0\r\n\r\n')),
    () => `the last chunk, got ${client.receivedBytes} of ${written} bytes`,
  );
  expect(client.responses()[0]?.body.length).toBe(written);
});

it('many pipelined requests wait in the kernel, not in the proxy', async () => {
  backend.onRequest = () => {};
  const requests = Buffer.from(head('GET / HTTP/1.1', 'Host: a').repeat(30_000));
  const bulk = {
    write: () => client.socket.write(requests),
    get writableLength() {
      return client.socket.writableLength;
    },
  };
  const written = await fill(bulk, size);
  expect(written).toBeLessThan(size / 2);
  expect(backend.requests.length, 'one at a time').toBe(1);
  // While it is not read from, a connection does not tell that its client is gone.
  client.reset();
  proxy.clock.advance(602_000);
});

it('a slow reader that goes away takes the upstream connection with it', async () => {
  backend.onRequest = (connection) => connection.send(head('HTTP/1.1 200 OK', `Content-Length: ${size}`));
  client.send(head('GET / HTTP/1.1', 'Host: a'));
  const { socket } = await upstream();
  client.socket.pause();
  await fill(socket, size);
  client.reset();
  await until(
    () => backend.openConnections.length === 0,
    () => 'the end of the upstream connection',
  );
});

it('a client that goes away from a slow upstream is noticed when the time of the stream is over', async () => {
  backend.onBytes = ({ socket }) => socket.pause();
  client.send(head('PUT / HTTP/1.1', 'Host: a', `Content-Length: ${size}`));
  await upstream();
  await fill(client.socket, size);
  client.reset();
  proxy.clock.advance(602_000);
  await until(
    () => proxy.stat('cluster.backend.upstream_cx_active') === 0,
    () => 'the end of the upstream connection',
  );
  for (const { socket } of backend.connections) socket.resume();
});
