/**
 * A connection of a listener that has an access log of its own: a line when it is over, whoever served it, also where
 * nobody did (Envoy docs, config.listener.v3.Listener.access_log).
 */
import type { Socket } from 'node:net';
import type { SocketHandler } from '../common/socket.ts';
import { ConnectionInfo } from '../http/connection-info.ts';
import type { StreamInfo, TimeSource } from '../http/stream-info.ts';
import type { ConnectionFacts } from './filter-chain-match.ts';
import type { ServedConnection } from './network-filter.ts';

/** Hears of every connection that is over. */
export interface ConnectionObserver {
  onComplete(connection: StreamInfo, durationMs: number): void;
}

export interface ConnectionLog {
  readonly observers: readonly ConnectionObserver[];
  readonly timeSource: TimeSource;
}

export class LoggedConnection extends ConnectionInfo implements SocketHandler, StreamInfo {
  readonly cluster = undefined;
  readonly host = undefined;
  readonly upstream = undefined;
  readonly attemptCount = 0;
  readonly error = undefined;
  requestedServerName = '';
  readonly timeSource: TimeSource;
  readonly startMs: number;
  endMs = -1;
  requestBytes = 0;
  responseBytes = 0;
  responseFlags = '-';
  localReplyDetails: string | undefined = undefined;
  readonly #log: ConnectionLog;
  readonly #socket: Socket;
  readonly #codec: NonNullable<StreamInfo['codec']>;
  #handler: SocketHandler | undefined = undefined;
  #served: ServedConnection | undefined = undefined;
  #receivedBytes = 0;

  constructor(socket: Socket, facts: ConnectionFacts, log: ConnectionLog) {
    super();
    this.#socket = socket;
    this.#log = log;
    // Whoever serves it gives it a number; what nobody serves is, as in Envoy, number 0.
    this.#codec = {
      connectionId: 0,
      remoteAddress: `${facts.sourceAddress}:${facts.sourcePort}`,
      localAddress: `${facts.destinationAddress}:${facts.destinationPort}`,
      protocol: undefined,
    };
    this.startMs = log.timeSource.nowMs();
    this.timeSource = log.timeSource;
  }

  get codec(): NonNullable<StreamInfo['codec']> {
    return this.#served?.downstream ?? this.#codec;
  }

  /** What the events of the socket go to. */
  around(handler: SocketHandler): this {
    this.#handler = handler;
    return this;
  }

  /** A filter has it, or none does. */
  onHanded({ serverName }: ConnectionFacts, served: ServedConnection | undefined): void {
    this.requestedServerName = serverName;
    this.#served = served;
    if (served !== undefined) return;
    this.responseFlags = 'NR';
    this.localReplyDetails = 'filter_chain_not_found';
  }

  onBytes(bytes: Buffer, length: number): boolean {
    this.#receivedBytes += length;
    return this.#handler?.onBytes(bytes, length) ?? true;
  }

  onEnd(): void {
    this.#handler?.onEnd();
  }

  onDrain(): void {
    this.#handler?.onDrain();
  }

  onClose(error: Error | undefined): void {
    this.#handler?.onClose(error);
    this.finish();
  }

  finish(): void {
    this.endMs = this.timeSource.nowMs();
    // What was only looked at was, as in Envoy, not received.
    this.requestBytes = this.#served === undefined ? 0 : this.#receivedBytes;
    this.responseBytes = this.#socket.bytesWritten;
    const info = this.#served?.streamInfo ?? this;
    for (const observer of this.#log.observers) observer.onComplete(info, this.endMs - this.startMs);
  }
}
