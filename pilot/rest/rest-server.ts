/** Pilot's REST API: Kubernetes' paths and answers over node:http, for `heddle`, scripts and later kubectl. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { ConfigStore } from '../../crds/config-store.ts';
import { type Clock, systemClock } from '../../proxy/common/clock.ts';
import type { Lifecycle } from '../../proxy/common/lifecycle.ts';
import type { Logger } from '../../proxy/common/log.ts';
import { applyRoute } from './apply-route.ts';
import { mediaTypeOf, readJson } from './body.ts';
import { discoveryRoutes } from './discovery.ts';
import { Events } from './events.ts';
import { openApiRoutes } from './openapi.ts';
import { resourceRoutes } from './resource-routes.ts';
import { type ApiResponse, type ApiStream, type Route, Router } from './router.ts';
import { ApiError, type StatusReason } from './status.ts';
import { Watches } from './watches.ts';
import { type References, Writer } from './writer.ts';

export interface RestServerOptions {
  readonly store: ConfigStore;
  /** 0 for a free one. */
  readonly port: number;
  /** The API has no authentication: anything but loopback opens it to the network. */
  readonly host: string;
  readonly logger: Logger;
  /** Services known beside those of the store. Default: none. */
  readonly references?: References;
  /** Further pages, such as `GET /debug/syncz`. */
  readonly routes?: readonly Route[];
  /** Of the program, `1.2.3`; shown at /version. */
  readonly version?: string;
  readonly clock?: Clock;
  /** Time for a whole request to arrive. Default 15,000. */
  readonly requestTimeoutMs?: number;
}

export class RestServer implements Lifecycle {
  readonly #options: RestServerOptions;
  readonly #logger: Logger;
  readonly #watches: Watches;
  readonly #events: Events;
  readonly #router: Router;
  readonly #server: Server;

  constructor(options: RestServerOptions) {
    const { store, references = { serviceExists: () => false }, routes = [], clock = systemClock } = options;
    this.#options = options;
    this.#logger = options.logger.child('rest');
    const writer = new Writer(store, references, clock);
    this.#watches = new Watches(store, clock);
    this.#events = new Events(clock);
    this.#router = new Router([
      { method: 'GET', pattern: '/healthz', handle: () => ({ body: 'ok' }) },
      ...discoveryRoutes(options.version ?? '0.0.0'),
      ...openApiRoutes(options.version ?? '0.0.0'),
      ...this.#events.routes(),
      ...resourceRoutes({ store, writer, watches: this.#watches, clock }),
      applyRoute(store, writer),
      ...routes,
    ]);
    const requestTimeout = options.requestTimeoutMs ?? 15_000;
    const timeouts = {
      requestTimeout,
      headersTimeout: requestTimeout,
      connectionsCheckingInterval: requestTimeout / 4,
    };
    this.#server = createServer(timeouts, (request, response) => void this.#answer(request, response));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuseMalformed(error, socket));
  }

  /** The port that is listened on; 0 before start. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  async start(): Promise<void> {
    if (this.#server.listening) return;
    this.#watches.start();
    this.#server.listen(this.#options.port, this.#options.host);
    await once(this.#server, 'listening');
    this.#logger.info('REST API ready', { host: this.#options.host, port: this.port });
  }

  async drain(deadlineMs: number): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#watches.close();
    this.#events.close();
    this.#server.closeIdleConnections();
    const cancel = (this.#options.clock ?? systemClock).setTimer(() => this.#server.closeAllConnections(), deadlineMs);
    await closed;
    cancel();
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#watches.close();
    this.#events.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A connection may break at any time; nobody is left to tell then.
    request.on('error', () => {});
    response.on('error', () => {});
    try {
      send(response, await this.#handle(request));
    } catch (error) {
      const known = error instanceof ApiError ? error : this.#unexpected(request, error);
      send(response, { status: known.status.code, body: { ...known.status, ...known.extra } });
    }
  }

  async #handle(request: IncomingMessage): Promise<ApiResponse | ApiStream> {
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const { route, params } = this.#router.find(request.method ?? '', path);
    const { accept = '' } = request.headers;
    return await route.handle({
      params,
      query: new URLSearchParams(query),
      accept,
      contentType: mediaTypeOf(request),
      readBody: (...mediaTypes) => readJson(request, mediaTypes),
    });
  }

  #unexpected(request: IncomingMessage, error: unknown): ApiError {
    const reason = error instanceof Error ? error.message : String(error);
    this.#logger.error('request failed', { method: request.method, path: request.url, error: reason });
    return new ApiError('InternalError', reason);
  }
}

function send(response: ServerResponse, answer: ApiResponse | ApiStream): void {
  if (response.destroyed || response.headersSent) return;
  if ('open' in answer) {
    answer.open(response);
    return;
  }
  const { status = 200, body, headers = {} } = answer;
  const isText = typeof body === 'string';
  const content = isText ? body : `${JSON.stringify(body)}\n`;
  for (const [name, value] of Object.entries(headers)) if (value.length > 0) response.setHeader(name, value);
  response.writeHead(status, {
    'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json',
    'content-length': Buffer.byteLength(content),
    'x-content-type-options': 'nosniff',
  });
  response.end(content);
}

/** node:http gives up on a request before there is one to answer: malformed, too large a head, too slow. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const isTimeout = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const [reason, text]: [StatusReason, string] = isTimeout
    ? ['RequestTimeout', 'the request did not arrive in time']
    : ['BadRequest', `not an HTTP request: ${error.message}`];
  const { status } = new ApiError(reason, text);
  const body = JSON.stringify(status);
  const head = `HTTP/1.1 ${status.code} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`, () => socket.destroy());
}
