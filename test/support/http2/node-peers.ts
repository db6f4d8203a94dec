/**
 * Ordinary peers: clients and servers of Node, in HTTP/1.1 and in HTTP/2, behind one interface each, so that one test can
 * speak for all pairs of them.
 */
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';

export type Protocol = 'h1' | 'h2';
export const protocols: readonly Protocol[] = ['h1', 'h2'];

type HeaderValues = Readonly<Record<string, string | string[] | undefined>>;

/** What both of Node's servers hand out. */
export interface Incoming extends Readable {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: HeaderValues;
  readonly trailers: HeaderValues;
}

export interface Outgoing extends Writable {
  writeHead(status: number, headers?: Record<string, string | number | string[]>): unknown;
  addTrailers(trailers: Record<string, string>): void;
  writeContinue(): void;
}

/** Of a response whose stream is closed: the code it was reset with, for HTTP/1.1 CANCEL when it was not finished; 0: none. */
export function resetCodeOf(response: Outgoing): number {
  if (response instanceof http2.Http2ServerResponse) return response.stream.rstCode ?? 0;
  return response.writableFinished ? 0 : http2.constants.NGHTTP2_CANCEL;
}

export type Handler = (request: Incoming, response: Outgoing) => void;

/** Answers `ok` when the request is whole. */
export const answerOk: Handler = (request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200);
    response.end('ok');
  });
};

/** Of Node, without TLS, on a port that the system chooses. */
export class NodeServer {
  readonly protocol: Protocol;
  readonly #server: http.Server | http2.Http2Server;
  readonly #sockets = new Set<Socket>();
  connectionsTotal = 0;
  /** Called for each request when its head is there. */
  respond: Handler = answerOk;
  /** Called for each request that wants to hear that it may go on; by default it may. */
  onExpectation: Handler = (request, response) => {
    response.writeContinue();
    this.respond(request, response);
  };

  private constructor(protocol: Protocol, settings: http2.Settings) {
    this.protocol = protocol;
    const respond = (request: Incoming, response: Outgoing): void => {
      request.on('error', () => {});
      response.on('error', () => {});
      this.respond(request, response);
    };
    this.#server =
      protocol === 'h1'
        ? http.createServer({ keepAliveTimeout: 60_000 }, respond)
        : // Of its own accord Node refuses streams when there are many that nobody reads.
          http2.createServer({ settings, maxSessionMemory: 2_000 }, respond);
    this.#server.on('checkContinue', (request: Incoming, response: Outgoing) => this.onExpectation(request, response));
    this.#server.on('connection', (socket: Socket) => {
      this.connectionsTotal += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(protocol: Protocol, settings: http2.Settings = {}): Promise<NodeServer> {
    const server = new NodeServer(protocol, settings);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }
}

export interface Request {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: HeaderValues;
  readonly body: Buffer;
  readonly trailers: HeaderValues;
  /** Statuses below 200 that came before. */
  readonly interim: readonly number[];
}

/** One request that is on its way. */
export interface Exchange {
  /** The body, to be written by hand when the request was begun without one. */
  readonly request: Writable;
  /** When the head of the response is there. */
  readonly response: Promise<{ readonly status: number; readonly headers: HeaderValues; readonly body: Readable }>;
  /** When the response is whole. Rejects when either side breaks it off. */
  readonly answer: Promise<Answer>;
  /** Breaks the request off. */
  cancel(): void;
}

/** HTTP/2 has all requests on one connection, HTTP/1.1 one on each. */
export class NodeClient {
  readonly protocol: Protocol;
  readonly #port: number;
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly session: http2.ClientHttp2Session | undefined;

  private constructor(protocol: Protocol, port: number, settings: http2.Settings) {
    this.protocol = protocol;
    this.#port = port;
    if (protocol === 'h1') return;
    this.session = http2.connect(`http://127.0.0.1:${port}`, { settings });
    this.session.on('error', () => {});
  }

  static async connect(protocol: Protocol, port: number, settings: http2.Settings = {}): Promise<NodeClient> {
    const client = new NodeClient(protocol, port, settings);
    const { session } = client;
    if (session !== undefined) {
      await new Promise((resolve, reject) => session.once('connect', resolve).once('close', reject));
    }
    return client;
  }

  call(request: Request = {}): Promise<Answer> {
    return this.begin(request, true).answer;
  }

  /** `isWhole`: its body, or none, is sent with it. */
  begin(request: Request, isWhole = false): Exchange {
    const exchange = this.session === undefined ? this.#beginHttp1(request) : beginHttp2(this.session, request);
    // Whoever does not look at them does not want to hear of their failures.
    exchange.answer.catch(() => {});
    exchange.response.catch(() => {});
    if (isWhole) exchange.request.end(request.body);
    return exchange;
  }

  #beginHttp1({ method = 'GET', path = '/', headers = {}, trailers }: Request): Exchange {
    const target = { host: '127.0.0.1', port: this.#port, agent: this.#agent };
    const request = http.request({ ...target, method, path, headers: { host: 'test', ...headers } });
    if (trailers !== undefined) request.addTrailers(trailers);
    const interim: number[] = [];
    request.on('continue', () => interim.push(100));
    request.on('information', ({ statusCode }) => interim.push(statusCode));
    const head = new Promise<http.IncomingMessage>((resolve, reject) => {
      request.on('response', resolve);
      request.on('error', reject);
      request.on('close', () => reject(new Error('closed before a response')));
    });
    const response = head.then((body) => ({
      status: body.statusCode ?? 0,
      headers: body.headers as HeaderValues,
      body,
    }));
    const answer = head.then(async (message) => ({
      status: message.statusCode ?? 0,
      headers: message.headers as HeaderValues,
      body: await readAll(message),
      trailers: message.trailers as HeaderValues,
      interim,
    }));
    // FIN alone would say that nothing more is asked, not that nobody waits for the answer.
    return { request, response, answer, cancel: () => request.socket?.resetAndDestroy() };
  }

  close(): void {
    this.#agent.destroy();
    this.session?.destroy();
  }
}

function beginHttp2(session: http2.ClientHttp2Session, request: Request): Exchange {
  const { method = 'GET', path = '/', headers = {}, trailers = {} } = request;
  const fields = { ':method': method, ':path': path, ':authority': 'test', ...headers };
  const stream = session.request(fields, { endStream: false, waitForTrailers: Object.keys(trailers).length > 0 });
  const interim: number[] = [];
  const received: { head: HeaderValues; trailers: HeaderValues } = { head: {}, trailers: {} };
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.on('headers', (each: http2.IncomingHttpHeaders) => interim.push(Number(each[':status'])));
  stream.on('trailers', (each: HeaderValues) => (received.trailers = each));
  const head = new Promise<HeaderValues>((resolve, reject) => {
    stream.on('response', (each) => resolve(each));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error(`closed with ${stream.rstCode} before a response`)));
  });
  const response = head.then((each) => ({ status: Number(each[':status']), headers: each, body: stream }));
  const answer = head.then(async (each) => ({
    status: Number(each[':status']),
    headers: each,
    body: await readAll(stream, () => stream.rstCode),
    trailers: received.trailers,
    interim,
  }));
  return { request: stream, response, answer, cancel: () => stream.close(http2.constants.NGHTTP2_CANCEL) };
}

/** The body of a request, of which Node does not say that it is closed before it is answered. */
export function readRequest(request: Incoming): Promise<Buffer> {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => request.on('end', () => resolve(Buffer.concat(chunks))));
}

/** Rejects when it breaks off. */
function readAll(stream: Readable, resetCode: () => number = () => 0): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let isEnded = false;
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => (isEnded = true));
    stream.on('error', reject);
    stream.on('close', () => {
      if (isEnded && resetCode() === 0) resolve(Buffer.concat(chunks));
      else reject(new Error(`broken off with ${resetCode()} after ${chunks.length} pieces`));
    });
  });
}
