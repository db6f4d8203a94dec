/**
 * A client that sends one request after another on one connection and reads each response. It closes when its peer does,
 * as clients do.
 */
import { readMessage, statusOf } from './http-message.ts';
import { RawClient } from './raw-client.ts';
import { until } from './turns.ts';

export interface RawResponse {
  readonly status: number;
  /** Names in lower case; of a repeated header the last value. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class RawConnection {
  readonly #client: RawClient;
  /** Characters of the responses that were read. */
  #readLength = 0;

  private constructor(client: RawClient) {
    this.#client = client;
    client.socket.on('end', () => client.end());
  }

  /** Rejects when the connection is refused. */
  static async open(port: number): Promise<RawConnection> {
    const client = await RawClient.connect(port);
    if (client.isClosed) throw new Error(`no connection to port ${port}: ${client.errorCode ?? 'closed'}`);
    return new RawConnection(client);
  }

  /** `text` is latin1: one character per byte. */
  send(text: string): void {
    this.#client.send(text);
  }

  /** What came and no response has used up. */
  get unread(): string {
    return this.#client.text.slice(this.#readLength);
  }

  /** The peer sent FIN or RST. */
  get isEnded(): boolean {
    return this.#client.isOver;
  }

  /** Sends a GET and reads its response. */
  get(path = '/', headers = ''): Promise<RawResponse> {
    this.send(`GET ${path} HTTP/1.1\r\nhost: test\r\n${headers}\r\n`);
    return this.readResponse();
  }

  /** The next whole response; rejects when the connection ends before. */
  async readResponse(): Promise<RawResponse> {
    const read = () => readMessage(this.unread, { kind: 'response', isEnded: this.isEnded });
    await until(
      () => read() !== undefined || this.isEnded,
      () => `a response, got ${JSON.stringify(this.unread.slice(0, 500))}`,
    );
    const message = read();
    if (message === undefined) throw new Error(`ended within a response: ${JSON.stringify(this.unread)}`);
    this.#readLength += message.length;
    const headers = Object.fromEntries(message.headers.map(([name, value]) => [name.toLowerCase(), value]));
    return { status: statusOf(message), headers, body: message.body };
  }

  /** Until the peer has closed. */
  waitForEnd(): Promise<void> {
    return until(
      () => this.isEnded,
      () => `the end of the connection, got ${JSON.stringify(this.unread.slice(0, 500))}`,
    );
  }

  /** Goes away with RST instead of FIN. */
  reset(): void {
    this.#client.reset();
  }

  destroy(): void {
    this.#client.destroy();
  }
}
