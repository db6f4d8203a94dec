/** `node undici-proxy.js PORT BACKEND_PORT`: the cheapest proxy from Node's own server and undici's lowest public door. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Dispatcher, Pool } from 'undici';

const [port, backendPort] = process.argv.slice(2);
const pool = new Pool(`http://127.0.0.1:${backendPort}`);

/** Copies one response to the client as it arrives, no faster than the client reads. */
class ResponseCopy implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#response.on('drain', () => controller.resume());
  }

  onResponseStart(
    ...[, status, headers]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>
  ): void {
    delete headers['connection'];
    this.#response.writeHead(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#response.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    this.#response.end();
  }

  onResponseError(): void {
    if (!this.#response.headersSent) this.#response.writeHead(502);
    this.#response.end();
  }
}

createServer((request: IncomingMessage, response: ServerResponse) => {
  const { connection: _hopByHop, ...headers } = request.headers;
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  pool.dispatch(
    { path: request.url ?? '/', method: request.method ?? 'GET', headers, body: hasBody ? request : null },
    new ResponseCopy(response),
  );
}).listen(Number(port), '127.0.0.1');
