/** A client connection on the level of bytes: what was sent when, what came back, and when the peer closed. */
import net from 'node:net';

export interface RawResponse {
  readonly status: number;
  /** Names in lower case; of a repeated header the last value. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How long any wait may take before the test fails with what had arrived by then. */
const patienceMs = 5_000;

export class RawConnection {
  readonly #socket: net.Socket;
  #received = '';
  #isEnded = false;
  #failure: Error | undefined;
  #wake: () => void = () => {};

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#received += text;
      this.#wake();
    });
    socket.on('error', (error) => (this.#failure = error));
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#isEnded = true;
        this.#wake();
      });
    }
  }

  static open(port: number, address = '127.0.0.1'): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: address, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  /** `text` is latin1: one character per byte. */
  send(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  /** Bytes that came and that no response has used up. */
  get unread(): string {
    return this.#received;
  }

  /** The peer sent FIN or RST. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Sends a GET and reads its response. */
  get(path = '/', headers = ''): Promise<RawResponse> {
    this.send(`GET ${path} HTTP/1.1\r\nhost: test\r\n${headers}\r\n`);
    return this.readResponse();
  }

  /** The next whole response; bodies are framed by Content-Length, by chunks, or by the end of the connection. */
  async readResponse(): Promise<RawResponse> {
    for (;;) {
      const parsed = parseResponse(this.#received, this.#isEnded);
      if (parsed !== undefined) {
        this.#received = this.#received.slice(parsed.length);
        return parsed.response;
      }
      if (this.#isEnded)
        throw new Error(`ended within a response: ${JSON.stringify(this.#received)}`, { cause: this.#failure });
      await this.#change();
    }
  }

  /** Until the peer has closed; the error of the socket when that was no orderly end. */
  async waitForEnd(): Promise<Error | undefined> {
    while (!this.#isEnded) await this.#change();
    return this.#failure;
  }

  /** Goes away with RST instead of FIN. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`nothing more came, unread: ${JSON.stringify(this.#received.slice(-500))}`)),
        patienceMs,
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function parseResponse(text: string, isEnded: boolean): { response: RawResponse; length: number } | undefined {
  const headLength = text.indexOf('\r\n\r\n') + 4;
  if (headLength < 4) return undefined;
  const [statusLine = '', ...lines] = text.slice(0, headLength - 4).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const body = readBody(text.slice(headLength), status, headers, isEnded);
  return body && { response: { status, headers, body: body.text }, length: headLength + body.length };
}

function readBody(
  rest: string,
  status: number,
  headers: Readonly<Record<string, string>>,
  isEnded: boolean,
): { text: string; length: number } | undefined {
  if (status < 200 || status === 204 || status === 304) return { text: '', length: 0 };
  if (headers['transfer-encoding'] === 'chunked') return readChunks(rest);
  if (headers['content-length'] === undefined) return isEnded ? { text: rest, length: rest.length } : undefined;
  const length = Number(headers['content-length']);
  return rest.length < length ? undefined : { text: rest.slice(0, length), length };
}

function readChunks(rest: string): { text: string; length: number } | undefined {
  let text = '';
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = parseInt(rest.slice(at, lineEnd), 16);
    const end = lineEnd + 2 + size + 2;
    if (rest.length < end) return undefined;
    if (size === 0) return { text, length: end };
    text += rest.slice(lineEnd + 2, end - 2);
    at = end;
  }
}
