/** What llhttp, the parser of node:http, reads from bytes: the second opinion on what a request is. */
import http from 'node:http';
import type net from 'node:net';
import { Duplex } from 'node:stream';

export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string | undefined;
  /** Names as sent, in the order in which they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** latin1. */
  readonly body: string;
}

/** A server that answers every complete request with 200 and hands it to `onRequest`. */
export function createRecordingServer(onRequest: (request: ReadRequest) => void): http.Server {
  const options = { maxHeaderSize: 65_536, keepAliveTimeout: 600_000, requestTimeout: 0, headersTimeout: 0 };
  const server = http.createServer(options, (incoming, response) => {
    let body = '';
    incoming.setEncoding('latin1');
    incoming.on('data', (text: string) => (body += text));
    incoming.on('error', () => {});
    incoming.on('end', () => {
      const { method = '', url: target = '', rawHeaders } = incoming;
      onRequest({ method, target, host: incoming.headers.host, headers: pairs(rawHeaders), body });
      response.setHeader('content-length', 2);
      response.end('ok');
    });
  });
  // A client that sent FIN still gets what it asked for.
  (server as http.Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  return server;
}

function pairs(flat: readonly string[]): (readonly [name: string, value: string])[] {
  const found: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) found.push([flat[i] ?? '', flat[i + 1] ?? '']);
  return found;
}

/** Both ends of a connection without a network. */
class MemorySocket extends Duplex {
  /** Responses are not of interest. */
  override _write(_chunk: Buffer, _encoding: string, callback: () => void): void {
    callback();
  }

  override _read(): void {}

  setTimeout(): this {
    return this;
  }

  destroySoon(): void {
    this.destroy();
  }
}

export interface Reading {
  /** The complete requests, in order, up to the first fault. */
  readonly requests: readonly ReadRequest[];
  /** llhttp's code for it; undefined when there is none. */
  readonly fault: string | undefined;
}

export async function readWithLlhttp(bytes: Buffer): Promise<Reading> {
  const requests: ReadRequest[] = [];
  const server = createRecordingServer((request) => requests.push(request));
  // Destroying the connection, as node:http does by itself, would take back what was read before the fault.
  let fault: string | undefined = undefined;
  server.on('clientError', (error: NodeJS.ErrnoException) => (fault ??= error.code));
  const socket = new MemorySocket({ allowHalfOpen: true });
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.on('error', () => {});
  server.emit('connection', socket as unknown as net.Socket);
  socket.push(bytes);
  socket.push(null);
  // What can be read is read by then, whether llhttp ends the connection itself or waits for more.
  for (let i = 0; i < 12; i++) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  await closed;
  return { requests, fault };
}

export interface ReadResponse {
  readonly status: number;
  readonly headers: ReadRequest['headers'];
  /** latin1. */
  readonly body: string;
}

/** What llhttp reads from the bytes of a server that closes behind them; undefined when it is no complete response. */
export function readResponseWithLlhttp(bytes: Buffer, method = 'GET'): Promise<ReadResponse | undefined> {
  return new Promise((resolve) => {
    const socket = new MemorySocket({ allowHalfOpen: true });
    const request = http.request({ createConnection: () => socket, agent: false, method, maxHeaderSize: 65_536 });
    const finish = (response?: ReadResponse): void => {
      resolve(response);
      socket.destroy();
    };
    request.on('error', () => finish());
    request.on('upgrade', () => finish());
    request.on('response', (incoming) => {
      let body = '';
      const { statusCode: status = 0, rawHeaders } = incoming;
      incoming.setEncoding('latin1');
      incoming.on('data', (text: string) => (body += text));
      incoming.on('error', () => finish());
      incoming.on('aborted', () => finish());
      incoming.on('end', () => finish(incoming.complete ? { status, headers: pairs(rawHeaders), body } : undefined));
    });
    request.end();
    socket.push(bytes);
    socket.push(null);
  });
}
