/**
 * A connection of a filter chain that ends TLS: collects the ClientHello, which chooses the certificate, and hands what is
 * decrypted to the chain's filter.
 */
import type { Socket } from 'node:net';
import { ByteBuffer } from '../common/byte-buffer.ts';
import { guard } from '../common/socket-fault.ts';
import { WheelTimer } from '../common/timer-wheel.ts';
import { inspectClientHello } from '../tls/client-hello.ts';
import type { DownstreamTlsContext } from '../tls/downstream-tls.ts';
import { acceptTls } from '../tls/tls-socket.ts';
import type { AcceptedConnection, ActiveNetworkFilter, ServedConnection } from './network-filter.ts';

/** Until the handshake: afterwards all events are those of the decrypted socket, and go to its own handler. */
export class TlsConnection implements ServedConnection {
  readonly #connection: AcceptedConnection;
  readonly #context: DownstreamTlsContext;
  readonly #filter: ActiveNetworkFilter;
  readonly #hello = new ByteBuffer();
  readonly #timer: WheelTimer;
  #isOver = false;
  #served: ServedConnection | undefined = undefined;

  constructor(connection: AcceptedConnection, context: DownstreamTlsContext, filter: ActiveNetworkFilter) {
    this.#connection = connection;
    this.#context = context;
    this.#filter = filter;
    this.#timer = new WheelTimer(() => connection.socket.destroy());
    context.timers.arm(this.#timer, context.handshakeTimeoutMs);
  }

  get streamInfo(): ServedConnection['streamInfo'] {
    return this.#served?.streamInfo;
  }

  get downstream(): ServedConnection['downstream'] {
    return this.#served?.downstream;
  }

  onBytes(bytes: Buffer, length: number): boolean {
    // What the same turn has read behind the ClientHello belongs to the handshake too.
    this.#hello.append(bytes, 0, length);
    if (this.#isOver) return false;
    if (inspectClientHello(this.#hello.bytes).kind === 'incomplete') return true;
    this.#isOver = true;
    this.#context.timers.disarm(this.#timer);
    // Not within a read of the socket that is to be taken over.
    const { socket } = this.#connection;
    setImmediate(() => guard(socket, () => this.#accept(socket)));
    return false;
  }

  #accept(socket: Socket): void {
    if (socket.destroyed) return;
    const { facts } = this.#connection;
    acceptTls(socket, this.#hello.bytes, this.#context, {
      onHandshake: (decrypted, { serverName, alpn, peerCertificate, localCertificate }) =>
        (this.#served = this.#filter.accept({
          ...this.#connection,
          socket: decrypted,
          tlsPeer: peerCertificate && { certificate: peerCertificate, localCertificate },
          facts: { ...facts, serverName, transportProtocol: 'tls', applicationProtocols: alpn === '' ? [] : [alpn] },
        })),
      onFailure: () => {},
    });
  }

  /** A client that has nothing more to say has not said enough. */
  onEnd(): void {
    if (!this.#isOver) this.#connection.socket.destroy();
  }

  onDrain(): void {}

  onClose(): void {
    this.#isOver = true;
    this.#context.timers.disarm(this.#timer);
  }
}
