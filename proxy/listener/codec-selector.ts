/** A connection of which the first bytes tell whether it speaks HTTP/1.1 or, by prior knowledge, HTTP/2 (RFC 9113 §3.3). */
import type { Socket } from 'node:net';
import { ByteBuffer } from '../common/byte-buffer.ts';
import { latin1 } from '../common/latin1.ts';
import type { ConnectionManager, ManagedConnection } from '../http/connection-manager.ts';
import { clientPreface } from '../http2/frames.ts';
import type { ServedConnection } from './network-filter.ts';

/** No request of HTTP/1.1 begins so; the rest of the preface is for the codec to check. */
const probe = clientPreface.slice(0, 4);

/** Of whichever version. */
export type Codec = ServedConnection & ManagedConnection;

export class CodecSelector implements ServedConnection, ManagedConnection {
  readonly #socket: Socket;
  readonly #manager: ConnectionManager;
  readonly #create: (isHttp2: boolean) => Codec;
  readonly #first = new ByteBuffer();
  #codec: Codec | undefined = undefined;
  #deadlineMs: number;

  /** `create`: makes the codec, which is its connection manager's from then on. */
  constructor(socket: Socket, manager: ConnectionManager, create: (isHttp2: boolean) => Codec) {
    this.#socket = socket;
    this.#manager = manager;
    this.#create = create;
    manager.addConnection(this);
    this.#deadlineMs = manager.deadlineMs(manager.config.idleTimeoutMs);
  }

  get downstream(): ServedConnection['downstream'] {
    return this.#codec?.downstream;
  }

  onBytes(bytes: Buffer, length: number): boolean {
    if (this.#codec !== undefined) return this.#codec.onBytes(bytes, length);
    return this.#first.length === 0 ? this.#inspect(bytes, length) : this.#inspectMore(bytes, length);
  }

  #inspectMore(bytes: Buffer, length: number): boolean {
    this.#first.append(bytes, 0, length);
    const first = this.#first.bytes;
    this.#first.clear();
    return this.#inspect(first, first.length);
  }

  #inspect(bytes: Buffer, length: number): boolean {
    const seen = latin1(bytes, 0, Math.min(length, probe.length));
    if (seen !== probe && probe.startsWith(seen)) {
      const { requestHeadersTimeoutMs, streamIdleTimeoutMs } = this.#manager.config;
      this.#deadlineMs = this.#manager.deadlineMs(requestHeadersTimeoutMs || streamIdleTimeoutMs);
      this.#first.append(bytes, 0, length);
      return true;
    }
    return this.#choose(seen === probe).onBytes(bytes, length);
  }

  #choose(isHttp2: boolean): Codec {
    this.#manager.withdrawConnection(this);
    this.#codec = this.#create(isHttp2);
    return this.#codec;
  }

  onEnd(): void {
    const codec = this.#codec ?? this.#choose(false);
    if (this.#first.length > 0) codec.onBytes(this.#first.bytes, this.#first.length);
    codec.onEnd();
  }

  onDrain(): void {
    this.#codec?.onDrain();
  }

  onClose(error: Error | undefined): void {
    if (this.#codec === undefined) this.#manager.onConnectionClosed(this);
    else this.#codec.onClose(error);
  }

  // ---- as long as nothing is known (ManagedConnection) ----

  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  /** A request that has begun is for its codec to answer. */
  onDeadline(nowMs: number): void {
    const { bytes, length } = this.#first;
    if (length === 0) {
      this.#socket.destroy();
      return;
    }
    const codec = this.#choose(false);
    codec.onBytes(bytes, length);
    codec.onDeadline(nowMs);
  }

  drain(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
