/** A server of raw TCP that records the exact bytes it receives and answers with exactly the bytes it is told to. */
import net from 'node:net';
import { type HttpMessage, readMessage } from './http-message.ts';

export const okResponse = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export class BackendConnection {
  readonly socket: net.Socket;
  /** Everything received, latin1. */
  received = '';
  /** What is not part of a complete request yet. */
  partial = '';
  isEnded = false;
  isClosed = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }
}

export class RawBackend {
  readonly #server = net.createServer({ allowHalfOpen: true });
  readonly connections: BackendConnection[] = [];
  /** Complete requests in the order of their completion, from all connections. */
  readonly requests: HttpMessage[] = [];
  /** Answers a complete request. */
  onRequest: (connection: BackendConnection, request: HttpMessage) => void = answerOk;
  /** False: FIN is the peer's last word, not ours. */
  endsWithPeer = true;
  /** Sees every piece that arrives, before requests are read from it. */
  onBytes: (connection: BackendConnection) => void = () => {};

  constructor() {
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get openConnections(): BackendConnection[] {
    return this.connections.filter(({ isClosed }) => !isClosed);
  }

  /** Answers as at the beginning and forgets what was recorded; open connections stay. */
  clear(): void {
    this.onRequest = answerOk;
    this.onBytes = () => {};
    this.requests.length = 0;
    const open = this.openConnections;
    for (const connection of open) connection.received = connection.partial = '';
    this.connections.splice(0, this.connections.length, ...open);
  }

  close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: net.Socket): void {
    const connection = new BackendConnection(socket);
    this.connections.push(connection);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => (connection.isClosed = true));
    socket.on('end', () => {
      connection.isEnded = true;
      if (this.endsWithPeer) socket.end();
    });
    socket.on('data', (bytes: Buffer) => this.#read(connection, bytes.toString('latin1')));
  }

  #read(connection: BackendConnection, text: string): void {
    connection.received += text;
    connection.partial += text;
    this.onBytes(connection);
    for (;;) {
      const request = readMessage(connection.partial, { kind: 'request' });
      if (request === undefined) return;
      connection.partial = connection.partial.slice(request.length);
      this.requests.push(request);
      this.onRequest(connection, request);
    }
  }
}

function answerOk(connection: BackendConnection, { startLine }: HttpMessage): void {
  connection.send(startLine.startsWith('HEAD ') ? okResponse.slice(0, -2) : okResponse);
}
