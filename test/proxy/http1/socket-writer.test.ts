import { createHash } from 'node:crypto';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { SocketWriter } from '../../../proxy/http/socket-writer.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { Authority } from '../../support/pki.ts';
import { turn, until } from '../../support/turns.ts';

let authority: Authority;
beforeAll(() => {
  authority = new Authority();
});
afterAll(() => authority.close());

const transports = ['in plain text', 'over TLS'] as const;

interface Ends {
  readonly writing: net.Socket;
  readonly reading: net.Socket;
}

/** Both ends of one connection. */
async function connectEnds(transport: (typeof transports)[number]): Promise<Ends> {
  const { cert, key } = authority.issue({ names: ['DNS:localhost'] });
  const isPlain = transport === 'in plain text';
  const server = closeAfterTest(isPlain ? net.createServer() : tls.createServer({ cert, key }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const accepted = new Promise<net.Socket>((resolve) => {
    server.once(isPlain ? 'connection' : 'secureConnection', resolve);
  });
  const options = { host: '127.0.0.1', port };
  const reading = isPlain ? net.connect(options) : tls.connect({ ...options, rejectUnauthorized: false });
  const writing = await accepted;
  closeAfterTest({ close: () => [writing, reading].forEach((socket) => void socket.destroy()) });
  return { writing, reading };
}

const stat = () => new StatsStore().counter('sent');
/** Around the limits of what is joined and of the buffer in which it is. */
const sizes = [1, 100, 8_192, 8_193, 16_384, 65_536, 114_688, 131_072, 131_073, 300_000];

describe.each(transports)('a writer %s', (transport) => {
  it('sends everything as it was, however slow the reader, while the memory it came in is used again', async () => {
    const { writing, reading } = await connectEnds(transport);
    const sent = stat();
    const writer = new SocketWriter(writing, sent);
    const another = await connectEnds(transport);
    const anotherWriter = new SocketWriter(another.writing, stat());
    another.reading.resume();
    const expected = createHash('sha256');
    const received = createHash('sha256');
    let receivedBytes = 0;
    reading.on('data', (chunk: Buffer) => {
      received.update(chunk);
      receivedBytes += chunk.length;
    });
    const source = Buffer.alloc(300_000);
    let hasWaited = false;
    // How much a kernel takes for a reader that has stopped differs: up to tens of megabytes.
    for (let i = 0; i < 200 || !hasWaited; i++) {
      const size = sizes[i % sizes.length] ?? 0;
      const head = `head ${i} `;
      source.fill(`${i};`);
      expected.update(head).update(source.subarray(0, size));
      writer.writeText(head);
      writer.writeBytes(source, 0, size);
      writer.flush();
      source.fill(0);
      await until(() => another.writing.writableLength === 0);
      anotherWriter.writeBytes(source, 0, 131_072);
      if (i === 10) reading.pause();
      if (i > 100 && !hasWaited && writing.writableLength > 200_000) {
        hasWaited = true;
        reading.resume();
      }
      if (i % 3 === 0) await turn();
      if (i > 120 && hasWaited) await until(() => writing.writableLength === 0);
    }
    await until(() => receivedBytes === sent.value);
    expect(received.digest('hex')).toBe(expected.digest('hex'));
  });
});

/** Takes everything at once. */
class StubSocket {
  readonly chunks: string[] = [];
  writableLength = 0;

  write(chunk: string | Buffer): boolean {
    this.chunks.push(chunk.toString('latin1'));
    return true;
  }

  asSocket(): net.Socket {
    return this as unknown as net.Socket;
  }
}

it('a head and a large body leave in one write', () => {
  const socket = new StubSocket();
  const sent = stat();
  const writer = new SocketWriter(socket.asSocket(), sent);
  const body = Buffer.alloc(65_536, 'b');
  writer.writeText('head');
  writer.writeBytes(body, 0, body.length);
  writer.flush();
  expect(socket.chunks.map(({ length }) => length)).toEqual([65_540]);
  expect(sent.value).toBe(65_540);
});

it('more text than fits beside a body leaves before it', () => {
  const socket = new StubSocket();
  const writer = new SocketWriter(socket.asSocket(), stat());
  const head = 'h'.repeat(140_000);
  const body = Buffer.alloc(200_000, 'b');
  writer.writeText(head);
  writer.writeBytes(body, 0, body.length);
  writer.flush();
  expect(socket.chunks.join('') === head + body.toString('latin1')).toBe(true);
});
