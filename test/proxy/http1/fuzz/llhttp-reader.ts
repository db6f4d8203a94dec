/** What llhttp, the parser of node:http, reads from bytes: the second opinion on what a request is. */
import http from 'node:http';
import type net from 'node:net';
import { Duplex } from 'node:stream';

export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string | undefined;
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
      onRequest({ method: incoming.method ?? '', target: incoming.url ?? '', host: incoming.headers.host, body });
      response.setHeader('content-length', 2);
      response.end('ok');
    });
  });
  // A client that sent FIN still gets what it asked for.
  (server as http.Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  return server;
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

/** What llhttp reads from the bytes of a server that closes behind them; undefined when it is no complete response. */
export function readResponseWithLlhttp(bytes: Buffer): Promise<{ status: number; body: string } | undefined> {
  return new Promise((resolve) => {
    const socket = new MemorySocket({ allowHalfOpen: true });
    const request = http.request({ createConnection: () => socket, agent: false });
    const finish = (response?: { status: number; body: string }): void => {
      resolve(response);
      socket.destroy();
    };
    request.on('error', () => finish());
    request.on('upgrade', () => finish());
    request.on('response', (incoming) => {
      let body = '';
      incoming.setEncoding('latin1');
      incoming.on('data', (text: string) => (body += text));
      incoming.on('error', () => finish());
      incoming.on('aborted', () => finish());
      incoming.on('end', () => finish(incoming.complete ? { status: incoming.statusCode ?? 0, body } : undefined));
    });
    request.end();
    socket.push(bytes);
    socket.push(null);
  });
}
