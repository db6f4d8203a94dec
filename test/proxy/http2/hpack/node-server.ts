import { once } from 'node:events';
import { type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream, createServer } from 'node:http2';
import { type AddressInfo, type Socket, connect } from 'node:net';
import type { Field } from './blocks.ts';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const dataType = 0;
const headersType = 1;
const settingsType = 4;
const pingType = 6;
const goAwayType = 7;
const ack = 1;
const endStream = 1;
const endHeaders = 4;

/** A frame of RFC 9113 §4.1. */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What another implementation sent on a stream: blocks of headers, as they are. */
export interface AnsweredBlock {
  readonly stream: number;
  readonly block: Buffer;
}

/** Node's own HTTP/2 server, and a bare connection to it that sends blocks of headers. */
export class NodeServer {
  /** The raw headers of each request, in the order of their arrival. */
  readonly requests: Field[][] = [];
  readonly answers: AnsweredBlock[] = [];
  readonly #server: Http2Server;
  #socket: Socket | undefined;
  #unread = Buffer.alloc(0);
  #nextStream = 1;
  #pingsAnswered = 0;
  #failure: string | undefined;

  constructor(headerTableSize: number, answer: (index: number) => string[]) {
    this.#server = createServer({ settings: { headerTableSize, maxHeaderListSize: 1 << 20 }, maxHeaderListPairs: 200 });
    this.#server.on(
      'stream',
      (stream: ServerHttp2Stream, _headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
        const fields: Field[] = [];
        for (let i = 0; i < raw.length; i += 2) fields.push([raw[i] ?? '', raw[i + 1] ?? '']);
        const answered = answer(this.requests.push(fields) - 1);
        stream.respond(Object.fromEntries(pairsOf(answered)), { endStream: true });
      },
    );
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    socket.on('error', (error) => (this.#failure ??= error.message));
    socket.on('close', () => (this.#failure ??= 'closed'));
    await once(socket, 'connect');
    socket.write(Buffer.concat([Buffer.from(preface), frame(settingsType, 0, 0)]));
  }

  send(block: Buffer): void {
    this.#socket?.write(frame(headersType, endStream | endHeaders, this.#nextStream, block));
    this.#nextStream += 2;
  }

  /** Resolves when the server has seen all that was sent, and we have seen all that it sent back. */
  async settle(): Promise<void> {
    const wanted = this.#pingsAnswered + 1;
    this.#socket?.write(frame(pingType, 0, 0, Buffer.alloc(8)));
    const sent = (this.#nextStream - 1) / 2;
    while (this.#pingsAnswered < wanted || this.answers.length < sent) {
      if (this.#failure !== undefined) throw new Error(this.#failure);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async close(): Promise<void> {
    this.#socket?.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #onData(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    while (this.#unread.length >= 9) {
      const end = 9 + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) return;
      this.#onFrame(this.#unread.subarray(0, end));
      this.#unread = this.#unread.subarray(end);
    }
  }

  #onFrame(bytes: Buffer): void {
    const type = bytes[3];
    const flags = bytes[4] ?? 0;
    if (type === settingsType && (flags & ack) === 0) this.#socket?.write(frame(settingsType, ack, 0));
    if (type === pingType && (flags & ack) !== 0) this.#pingsAnswered++;
    if (type === goAwayType) this.#failure ??= `GOAWAY ${bytes.readUInt32BE(13)}`;
    if (type === headersType) this.answers.push({ stream: bytes.readUInt32BE(5), block: bytes.subarray(9) });
    if (type === dataType) return;
  }
}

function pairsOf(raw: string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? '']);
  return pairs;
}
