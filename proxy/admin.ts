/** Envoy's admin interface (Envoy docs `operations/admin`), the part that people and scripts use. It has no authentication. */
import http from 'node:http';
import type { Logger } from './common/log.ts';
import { expositionContentType, writeExposition } from './common/exposition.ts';
import { formatFieldErrors } from './common/decoded.ts';
import { compileRegex } from './common/regex.ts';
import { describeClusters, describeListeners, describeServer, dumpConfig } from './admin-pages.ts';
import type { ProxyServer } from './server.ts';
import { prometheusText } from './telemetry/prometheus.ts';

interface Page {
  readonly help: string;
  /** GET pages change nothing; POST pages do. */
  readonly method: 'GET' | 'POST';
  readonly respond: (
    server: ProxyServer,
    response: http.ServerResponse,
    query: URLSearchParams,
  ) => Promise<void> | void;
}

/** The one table of admin pages. */
const pages: Readonly<Record<string, Page>> = {
  '/ready': {
    help: 'print server state, 200 if ready, else 503',
    method: 'GET',
    respond: (server, response) => {
      response.statusCode = server.state === 'live' ? 200 : 503;
      response.end(`${stateNames[server.state]}\n`);
    },
  },
  '/server_info': {
    help: 'print server version, state and node',
    method: 'GET',
    respond: (server, response) => sendJson(response, describeServer(server)),
  },
  '/stats': {
    help: 'print server stats; usedonly hides zeros, filter takes an RE2 expression that a part of the name must match, format=json',
    method: 'GET',
    respond: sendStats,
  },
  '/stats/prometheus': {
    help: 'print server stats in prometheus format',
    method: 'GET',
    respond: sendPrometheus,
  },
  '/clusters': {
    help: 'upstream cluster status',
    method: 'GET',
    respond: (server, response) => void response.end(describeClusters(server)),
  },
  '/listeners': {
    help: 'print listener info',
    method: 'GET',
    respond: (server, response) => void response.end(describeListeners(server)),
  },
  '/config_dump': {
    help: 'dump current configs',
    method: 'GET',
    respond: (server, response) => sendJson(response, dumpConfig(server)),
  },
  '/reset_counters': {
    help: "reset Envoy's counters to zero, as these pages show them; Istio's metrics go on",
    method: 'POST',
    respond: (server, response) => {
      server.stats.resetCounters();
      response.end('OK\n');
    },
  },
  '/reopen_logs': {
    help: 'reopen access logs',
    method: 'POST',
    respond: (server, response) => {
      server.reopenAccessLogs();
      response.end('OK\n');
    },
  },
  '/quitquitquit': {
    help: 'exit the server',
    method: 'POST',
    respond: (_server, response) => {
      response.end('OK\n', () => process.kill(process.pid, 'SIGTERM'));
    },
  },
};

const stateNames: Readonly<Record<ProxyServer['state'], string>> = {
  new: 'PRE_INITIALIZING',
  initializing: 'INITIALIZING',
  live: 'LIVE',
  draining: 'DRAINING',
  closed: 'DRAINING',
};

export class AdminServer {
  readonly #address: string;
  readonly #requestedPort: number;
  readonly #server: http.Server;

  constructor({ address, port }: { address: string; port: number }, proxy: ProxyServer, logger: Logger) {
    this.#address = address;
    this.#requestedPort = port;
    this.#server = http.createServer((request, response) => {
      respond(proxy, request, response).catch((cause: unknown) => {
        // A client that leaves in the middle is nobody's fault.
        if (!response.destroyed) logger.error('an admin page failed', { url: request.url, reason: String(cause) });
        response.destroy();
      });
    });
  }

  get port(): number {
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : this.#requestedPort;
  }

  /** Rejects when the address cannot be bound. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#requestedPort, this.#address, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  close(): Promise<void> {
    if (!this.#server.listening) return Promise.resolve();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

async function respond(
  proxy: ProxyServer,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) {
    response.statusCode = path === '/' || path === '/help' ? 200 : 404;
    response.end(helpText());
  } else if (request.method !== page.method && !(page.method === 'GET' && request.method === 'HEAD')) {
    response.statusCode = 405;
    response.setHeader('allow', page.method);
    response.end(`${path} takes ${page.method}, got ${request.method}\n`);
  } else {
    await page.respond(proxy, response, new URLSearchParams(query));
  }
}

function helpText(): string {
  const lines = Object.entries(pages).map(([path, { method, help }]) => `  ${path} (${method}): ${help}\n`);
  return `admin commands are:\n${lines.join('')}`;
}

/** JSON has no sets and no maps, and would show them as empty objects. */
function plainCollections(_key: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value as ReadonlyMap<string, unknown>);
  return value instanceof Set ? [...(value as ReadonlySet<unknown>)] : value;
}

function sendJson(response: http.ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(`${JSON.stringify(value, plainCollections, 1)}\n`);
}

function sendStats(server: ProxyServer, response: http.ServerResponse, query: URLSearchParams): void {
  const filter = compileRegex(`.*(?:${query.get('filter') ?? ''}).*`);
  if (filter.errors !== undefined) {
    response.statusCode = 400;
    response.end(`filter ${formatFieldErrors(filter.errors)}\n`);
    return;
  }
  const format = query.get('format') ?? 'text';
  if (format !== 'text' && format !== 'json') {
    response.statusCode = 400;
    response.end(`format must be text or json, got ${format}; /stats/prometheus has Prometheus' format\n`);
    return;
  }
  const usedOnly = query.has('usedonly');
  const stats = server.stats
    .entries()
    .filter((stat) => filter.value(stat.name) && (stat.shownValue !== 0 || !usedOnly));
  const histograms = server.stats
    .histograms()
    .filter(({ name, count }) => filter.value(name) && (count > 0 || !usedOnly));
  if (format === 'json') {
    sendJson(response, { stats: stats.map(({ name, shownValue }) => ({ name, value: shownValue })) });
    return;
  }
  const lines = [
    ...stats.map(({ name, shownValue }) => `${name}: ${shownValue}\n`),
    ...histograms.map((histogram) => `${histogram.name}: ${histogram.describe()}\n`),
  ];
  response.end(lines.join(''));
}

async function sendPrometheus(server: ProxyServer, response: http.ServerResponse): Promise<void> {
  response.setHeader('content-type', expositionContentType.text);
  await writeExposition(response, prometheusText(server.metrics, server.stats));
  response.end();
}
