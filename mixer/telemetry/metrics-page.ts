/** HTTP for Prometheus, for the console and for whoever watches over mixer: `/metrics`, `/graph`, `/healthz`, `/ready`. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type ExpositionFormat,
  expositionContentType,
  negotiateFormat,
  writeExposition,
} from '../../proxy/common/exposition.ts';
import type { Logger } from '../../proxy/common/log.ts';
import { maxWindowSeconds } from './service-graph.ts';

export interface MetricsPageParts {
  /** The text of `/metrics`, in slices. */
  readonly text: (format: ExpositionFormat) => AsyncIterable<string>;
  /** The graph of the services over the last so many seconds, as JSON. */
  readonly graph: (windowSeconds: number) => object;
  readonly isReady: () => boolean;
  readonly logger: Logger;
}

export class MetricsPage {
  readonly #parts: MetricsPageParts;
  readonly #server: Server;

  constructor(parts: MetricsPageParts) {
    this.#parts = parts;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        parts.logger.debug('scrape failed', { error: String(error) });
        response.destroy();
      });
    });
  }

  /** 0 when not listening. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  async listen(port: number, host: string): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path, query = ''] = (request.url ?? '/').split('?', 2);
    if (request.method !== 'GET' && request.method !== 'HEAD') return reply(response, 405, 'only GET is served here');
    if (path === '/metrics') return this.#serveMetrics(request, response);
    if (path === '/graph') return this.#serveGraph(query, response);
    if (path === '/healthz') return reply(response, 200, 'ok');
    if (path !== '/ready') return reply(response, 404, 'try /metrics, /graph, /healthz or /ready');
    return this.#parts.isReady() ? reply(response, 200, 'ready') : reply(response, 503, 'draining');
  }

  #serveGraph(query: string, response: ServerResponse): void {
    const window = new URLSearchParams(query).get('window') ?? '60';
    const seconds = /^\d{1,4}$/.test(window) ? Number(window) : NaN;
    if (!(seconds >= 1 && seconds <= maxWindowSeconds)) {
      return reply(response, 400, `window must be a whole number of seconds from 1 to ${maxWindowSeconds}`);
    }
    const body = JSON.stringify(this.#parts.graph(seconds));
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(`${body}\n`);
  }

  async #serveMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const format = negotiateFormat(request.headers.accept ?? '');
    response.writeHead(200, { 'content-type': expositionContentType[format], vary: 'accept' });
    if (request.method === 'HEAD') return void response.end();
    await writeExposition(response, this.#parts.text(format));
    response.end();
  }
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
