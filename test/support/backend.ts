/** An upstream server for tests: says its name and what it was asked, or does as it is told. */
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Echo {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export type Responder = (request: http.IncomingMessage, response: http.ServerResponse, backend: Backend) => void;

/** Answers 200 with an `Echo` when the request is complete. */
export const echo: Responder = (request, response, { name }) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method = '', url = '', headers } = request;
    const body = Buffer.concat(chunks).toString('latin1');
    response.end(JSON.stringify({ name, method, url, headers, body } satisfies Echo));
  });
};

export class Backend {
  readonly name: string;
  /** Complete requests so far, refused ones too. */
  requests = 0;
  /** Called for each request; may be replaced while requests run. */
  respond: Responder;
  readonly sockets = new Set<Socket>();
  connectionsTotal = 0;
  readonly server: http.Server;

  private constructor(name: string, respond: Responder) {
    this.name = name;
    this.respond = respond;
    this.server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      this.requests += 1;
      response.sendDate = false;
      this.respond(request, response, this);
    });
    this.server.on('connection', (socket: Socket) => {
      this.connectionsTotal += 1;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async start(name = 'backend', respond: Responder = echo): Promise<Backend> {
    const backend = new Backend(name, respond);
    await new Promise<void>((resolve) => backend.server.listen(0, '127.0.0.1', resolve));
    return backend;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Refuses new connections and ends the open ones. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

/** What an `echo` backend was asked. */
export function echoOf({ body }: { readonly body: string }): Echo {
  return JSON.parse(body) as Echo;
}
