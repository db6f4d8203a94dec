/** The gRPC side of ADS: accepts streams and keeps whatever a client does inside its own stream. */
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import {
  aggregatedDiscoveryService,
  decodeDiscoveryRequest,
  type DiscoveryRequest,
} from '../../proxy/api/discovery.ts';
import { type FieldError, formatFieldErrors } from '../../proxy/common/decoded.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Lifecycle } from '../../proxy/common/lifecycle.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { ConnectedStream, DiscoveryServer } from './discovery-server.ts';
import { describePeer } from './peer.ts';
import { identifySidecar } from './sidecar-node.ts';
import { XdsCertificates } from './xds-tls.ts';

/** Pings that tell whether somebody is there; a sidecar whose machine is gone loses its endpoint when one is unanswered. */
export interface Keepalive {
  /** Between two pings, milliseconds. Default 3 s. */
  readonly intervalMs: number;
  /** For the answer, milliseconds. Default 2 s. */
  readonly timeoutMs: number;
}

export interface AdsServerOptions {
  /** IP address, for plain text. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** A further port, where both sides show certificates; default none. */
  readonly tls?: XdsTls | undefined;
  readonly discovery: DiscoveryServer;
  readonly keepalive: Keepalive;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface XdsTls {
  /** IP address. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Has `tls.crt`, `tls.key` and `ca.crt`, which clients' certificates are signed by. */
  readonly folder: string;
}

type Call = ServerDuplexStream<Uint8Array, Uint8Array>;

/** Far above the names of all clusters of a large mesh. */
const limits = { 'grpc.max_receive_message_length': 4 * 1024 * 1024 };

export class AdsServer implements Lifecycle {
  readonly #options: AdsServerOptions;
  readonly #server: Server;
  readonly #calls = new Set<Call>();
  readonly #certificates: XdsCertificates | undefined;
  #port = 0;
  #tlsPort = 0;
  #stopped: Promise<void> | undefined;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    this.#certificates = options.tls && new XdsCertificates(options.tls.folder, options);
    const { intervalMs, timeoutMs } = options.keepalive;
    const pings = { 'grpc.keepalive_time_ms': intervalMs, 'grpc.keepalive_timeout_ms': timeoutMs };
    this.#server = new Server({ ...pings, ...limits });
    this.#server.addService(aggregatedDiscoveryService, {
      streamAggregatedResources: (call: Call) => this.#accept(call),
    });
  }

  /** The port listened on; 0 before the start. */
  get port(): number {
    return this.#port;
  }

  /** The port listened on with TLS; 0 before the start, and without. */
  get tlsPort(): number {
    return this.#tlsPort;
  }

  async start(): Promise<void> {
    const { host, port, tls } = this.#options;
    const credentials = await this.#certificates?.open();
    this.#port = await this.#bind({ host, port }, ServerCredentials.createInsecure());
    if (tls !== undefined && credentials !== undefined) this.#tlsPort = await this.#bind(tls, credentials);
  }

  #bind({ host, port }: Pick<XdsTls, 'host' | 'port'>, credentials: ServerCredentials): Promise<number> {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
    });
  }

  /** Sidecars are told to look for another pilot; they keep their configuration. */
  async drain(deadlineMs: number): Promise<void> {
    for (const call of this.#calls) refuse(call, status.UNAVAILABLE, 'this pilot is shutting down');
    const cancelTimer = this.#options.clock.setTimer(() => this.#server.forceShutdown(), deadlineMs);
    this.#stopped ??= new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
    await this.#stopped;
    cancelTimer();
    this.#certificates?.close();
  }

  close(): Promise<void> {
    this.#server.forceShutdown();
    this.#certificates?.close();
    return Promise.resolve();
  }

  #accept(call: Call): void {
    let stream: ConnectedStream | undefined;
    const end = (): void => {
      this.#calls.delete(call);
      stream?.close();
      stream = undefined;
    };
    this.#calls.add(call);
    call.on('data', (bytes: Uint8Array) => {
      try {
        const request = this.#calls.has(call) ? this.#decode(call, bytes) : undefined;
        if (request === undefined) return;
        stream ??= this.#connect(call, request);
        stream?.receive(request);
      } catch (error) {
        this.#options.logger.error('request failed', { peer: call.getPeer(), error: String(error) });
        refuse(call, status.INTERNAL, 'the request could not be handled');
      }
    });
    call.on('drain', () => stream?.resume());
    call.on('error', end);
    call.on('cancelled', end);
    call.on('close', end);
    call.on('end', () => {
      end();
      call.end();
    });
  }

  /** Undefined, and the end of the stream, when the bytes are no request. */
  #decode(call: Call, bytes: Uint8Array): DiscoveryRequest | undefined {
    const request = decodeDiscoveryRequest(bytes);
    return request.errors === undefined ? request.value : this.#refuseInput(call, request.errors);
  }

  /** Undefined, and the end of the stream, when the first request does not say who the client is. */
  #connect(call: Call, request: DiscoveryRequest): ConnectedStream | undefined {
    const node = identifySidecar(request);
    if (node.errors !== undefined) return this.#refuseInput(call, node.errors);
    // Without a certificate of ours the handshake fails.
    const hasCertificate = call.getAuthContext().transportSecurityType === 'ssl';
    const peer = describePeer(call.getPeer(), hasCertificate);
    return this.#options.discovery.connect(node.value, peer, (response) => call.write(response));
  }

  #refuseInput(call: Call, errors: readonly FieldError[]): undefined {
    const reason = formatFieldErrors(errors);
    this.#options.logger.warn('stream refused', { peer: call.getPeer(), reason });
    refuse(call, status.INVALID_ARGUMENT, reason);
    return undefined;
  }
}

/** grpc-js sends the status of an error that is emitted on the call, and ends it. */
function refuse(call: Call, code: status, details: string): void {
  call.emit('error', { code, details });
}
