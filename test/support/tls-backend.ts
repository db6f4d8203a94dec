/** An HTTPS server for tests: answers with the client's certificate and what was asked for in the handshake. */
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';

export interface TlsEcho {
  readonly serverName: string | false | null;
  readonly alpn: string | false | null;
  readonly protocol: string | null;
  /** Subject alternative names of the client; undefined without a certificate. */
  readonly client: string | undefined;
  readonly isReused: boolean;
}

export class TlsBackend {
  readonly #server: https.Server;
  readonly #sockets = new Set<Socket>();
  requests = 0;
  connectionsTotal = 0;
  onConnection: (socket: Socket) => void = () => {};

  private constructor(options: TlsOptions) {
    this.#server = https.createServer(options, (request, response) => {
      this.requests += 1;
      const socket = request.socket as TLSSocket & { readonly servername?: string | false };
      const { subjectaltname } = socket.getPeerCertificate() as { subjectaltname?: string } | Record<string, never>;
      response.sendDate = false;
      response.end(
        JSON.stringify({
          serverName: socket.servername ?? null,
          alpn: socket.alpnProtocol,
          protocol: socket.getProtocol(),
          client: subjectaltname,
          isReused: socket.isSessionReused(),
        } satisfies TlsEcho),
      );
    });
    this.#server.on('connection', (socket: Socket) => {
      this.connectionsTotal += 1;
      this.onConnection(socket);
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', () => {});
  }

  static async start(options: TlsOptions): Promise<TlsBackend> {
    const backend = new TlsBackend(options);
    await new Promise<void>((resolve) => backend.#server.listen(0, '127.0.0.1', resolve));
    return backend;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections are answered with this. */
  replace(options: TlsOptions): void {
    this.#server.setSecureContext(options);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }
}
