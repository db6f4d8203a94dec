/** A client that sends exactly the bytes it is told to, when it is told to. */
import net from 'node:net';
import { findReset } from '../../proxy/common/socket.ts';
import { type HttpMessage, readMessage } from './http-message.ts';
import { turn, turns, until } from './turns.ts';

export class RawClient {
  readonly socket: net.Socket;
  readonly #received: Buffer[] = [];
  receivedBytes = 0;
  /** The peer sent FIN. */
  isEnded = false;
  isClosed = false;
  /** The code of the socket's error: ECONNRESET after an abort. */
  errorCode: string | undefined = undefined;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.#received.push(bytes);
      this.receivedBytes += bytes.length;
    });
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.errorCode = error.code));
  }

  static async connect(port: number): Promise<RawClient> {
    const client = new RawClient(net.connect({ host: '127.0.0.1', port, allowHalfOpen: true }));
    await until(
      () => client.socket.readyState === 'open' || client.isClosed,
      () => `a connection to ${port}`,
    );
    return client;
  }

  /** libuv gives out a RST right behind bytes for FIN. */
  #onEnd(): void {
    const reset = findReset(this.socket);
    if (reset === undefined) this.isEnded = true;
    else this.socket.destroy(reset);
  }

  /** latin1. */
  get text(): string {
    return this.bytes.toString('latin1');
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#received);
  }

  /** No more bytes will come. */
  get isOver(): boolean {
    return this.isEnded || this.isClosed;
  }

  /** The connection ended with an error instead of an end. */
  get wasReset(): boolean {
    return this.errorCode !== undefined;
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Each piece is read by the peer before the next is sent. */
  async sendPieces(pieces: readonly string[]): Promise<void> {
    for (const piece of pieces) {
      if (this.socket.writable) this.send(piece);
      await turn();
    }
  }

  /** Complete responses so far; `heads`: indexes of the requests whose method was HEAD. */
  responses(heads: ReadonlySet<number> = new Set()): HttpMessage[] {
    const responses: HttpMessage[] = [];
    const { text } = this;
    for (let at = 0; at < text.length;) {
      const isHead = heads.has(responses.filter(isFinal).length);
      const response = readMessage(text.slice(at), { kind: 'response', isHead, isEnded: this.isEnded });
      if (response === undefined) break;
      responses.push(response);
      at += response.length;
    }
    return responses;
  }

  /** Waits for `count` complete responses, or the end of the connection. */
  async untilResponses(count: number, heads?: ReadonlySet<number>): Promise<HttpMessage[]> {
    await until(
      () => this.isOver || this.responses(heads).length >= count,
      () => `${count} responses, got ${JSON.stringify(this.text.slice(0, 2_000))}`,
    );
    // A connection that is reset tells so a turn after its last bytes.
    await turns(1);
    return this.responses(heads);
  }

  untilOver(): Promise<void> {
    return until(
      () => this.isOver,
      () => `the end of the connection, got ${JSON.stringify(this.text.slice(0, 2_000))}`,
    );
  }

  /** FIN. */
  end(): void {
    this.socket.end();
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function isFinal({ startLine }: HttpMessage): boolean {
  return !startLine.startsWith('HTTP/1.1 1');
}
