/** A client's TCP connection (RFC 7766): questions one after the other without waiting, answers as they come. */
import type { Socket } from 'node:net';
import type { SocketHandler } from '../common/socket.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';
import type { DnsClient } from './dns-filter.ts';
import { FrameReader, writeFrame } from './frames.ts';

/** A question with every option there is has some hundred bytes. */
const maxQueryBytes = 4_096;
/** With so many unanswered questions no more are read. */
const maxUnanswered = 64;
/** RFC 7766 section 6.2.3: some seconds. What is begun and does not become a question counts as nothing. */
export const idleTimeoutMs = 10_000;

export interface TcpSessionOwner {
  handle(message: Buffer, client: DnsClient): void;
  onInvalid(): void;
  onClosed(session: TcpSession): void;
}

export class TcpSession implements SocketHandler, DnsClient {
  readonly transport = 'tcp';
  readonly #socket: Socket;
  readonly #owner: TcpSessionOwner;
  readonly #timers: TimerWheel;
  readonly #idleTimer = new WheelTimer(() => this.#onIdle());
  readonly #frames = new FrameReader(maxQueryBytes);
  #unanswered = 0;
  #hasEnded = false;
  #isPaused = false;

  constructor(socket: Socket, owner: TcpSessionOwner, timers: TimerWheel) {
    this.#socket = socket;
    this.#owner = owner;
    this.#timers = timers;
    timers.arm(this.#idleTimer, idleTimeoutMs);
  }

  onBytes(bytes: Buffer, length: number): boolean {
    const isValid = this.#frames.read(bytes.subarray(0, length), (message) => this.#onMessage(message));
    if (!isValid) {
      this.#owner.onInvalid();
      this.close();
      return false;
    }
    this.#isPaused = this.#mustWait();
    return !this.#isPaused;
  }

  #onMessage(message: Buffer): void {
    this.#timers.arm(this.#idleTimer, idleTimeoutMs);
    this.#unanswered += 1;
    this.#owner.handle(message, this);
  }

  onAnswer(answer: Buffer | undefined): void {
    this.#unanswered -= 1;
    if (this.#socket.destroyed) return;
    if (answer !== undefined) this.#socket.write(writeFrame(answer));
    this.#timers.arm(this.#idleTimer, idleTimeoutMs);
    if (this.#hasEnded) this.#endWhenDone();
    else this.#resume();
  }

  /** Whoever does not read answers gets to ask no more. */
  #mustWait(): boolean {
    return this.#unanswered >= maxUnanswered || this.#socket.writableNeedDrain;
  }

  #resume(): void {
    if (!this.#isPaused || this.#mustWait()) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  onDrain(): void {
    this.#resume();
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#endWhenDone();
  }

  /** No more questions: ends when those that there are have their answers. */
  finish(): void {
    this.#hasEnded = true;
    this.#socket.pause();
    this.#endWhenDone();
  }

  #endWhenDone(): void {
    if (this.#unanswered === 0) this.#socket.destroySoon();
  }

  /** Lookups end by themselves, so it is the client who is slow. */
  #onIdle(): void {
    if (this.#unanswered === 0) this.close();
    else this.#timers.arm(this.#idleTimer, idleTimeoutMs);
  }

  onClose(): void {
    this.#timers.disarm(this.#idleTimer);
    this.#owner.onClosed(this);
  }

  close(): void {
    this.#socket.destroy();
  }
}
