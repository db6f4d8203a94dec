/**
 * Load at a fixed rate over connections that are kept open. It asks for the time instead of sleeping, because timers are
 * a millisecond apart: it fills its core, and gives way when the backend beside it wakes up.
 */
import type { Socket } from 'node:net';
import { connectSocket, type SocketHandler } from '../../proxy/common/socket.ts';
import { type Percentiles, percentilesOf } from './percentiles.ts';
import { Queue } from './queue.ts';
import { ResponseReader } from './response-reader.ts';
import { Schedule } from './schedule.ts';

export interface OpenLoopPlan {
  readonly port: number;
  /** The bytes of a request. */
  readonly request: string;
  /** Of the body of every response. */
  readonly bodyBytes: number;
  readonly connections: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
}

export interface OpenLoopResult {
  readonly requests: number;
  /** From the time a request was due to the end of its response. */
  readonly latency: Percentiles;
  /** From the time a request was due to when it was sent, of those that found a free connection: the generator's own jitter. */
  readonly lateness: Percentiles;
  /** Requests that found no free connection and waited for one; the wait is part of their latency. */
  readonly waited: number;
}

/** After the last request was due. */
const patienceMs = 5_000;

/** Rejects when a response is wrong, a connection ends, or not all is answered in time. */
export async function runOpenLoop(plan: OpenLoopPlan): Promise<OpenLoopResult> {
  const run = new OpenLoopRun(plan);
  try {
    await run.connect();
    return await run.measure();
  } finally {
    run.close();
  }
}

class OpenLoopRun {
  readonly #plan: OpenLoopPlan;
  readonly #count: number;
  readonly #latencies: Uint32Array;
  readonly #lateness: Uint32Array;
  readonly #connections: LoadConnection[] = [];
  /** The one that was free for longest is taken first. */
  readonly #free = new Queue<LoadConnection>();
  /** Due times of requests that found no free connection. */
  readonly #overdue = new Queue<number>();
  #waited = 0;
  #answered = 0;
  #onTime = 0;
  #fault: Error | undefined = undefined;

  constructor(plan: OpenLoopPlan) {
    this.#plan = plan;
    this.#count = Math.round(plan.ratePerSecond * plan.seconds);
    this.#latencies = new Uint32Array(this.#count);
    this.#lateness = new Uint32Array(this.#count);
  }

  async connect(): Promise<void> {
    for (let i = 0; i < this.#plan.connections; i++) {
      const connection = new LoadConnection(this.#plan, {
        onAnswer: (dueMs) => this.#onAnswer(connection, dueMs),
        onFault: (error) => (this.#fault ??= error),
      });
      this.#connections.push(connection);
      this.#free.push(connection);
    }
    await Promise.all(this.#connections.map(({ connected }) => connected));
  }

  measure(): Promise<OpenLoopResult> {
    const { ratePerSecond, seconds } = this.#plan;
    const startMs = performance.now() + 1;
    const schedule = new Schedule(startMs, ratePerSecond, this.#count);
    const endMs = startMs + seconds * 1_000 + patienceMs;
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        const nowMs = performance.now();
        while (schedule.isDue(nowMs)) this.#send(schedule.take(), nowMs);
        if (this.#fault !== undefined) reject(this.#fault);
        else if (schedule.isOver && this.#answered === this.#count) resolve(this.#result());
        else if (nowMs > endMs) reject(new Error(`${this.#count - this.#answered} requests were not answered`));
        else setImmediate(turn);
      };
      turn();
    });
  }

  #send(dueMs: number, nowMs: number): void {
    const connection = this.#free.shift();
    if (connection === undefined) {
      this.#overdue.push(dueMs);
      this.#waited += 1;
      return;
    }
    this.#lateness[this.#onTime++] = (nowMs - dueMs) * 1_000;
    connection.send(dueMs);
  }

  #onAnswer(connection: LoadConnection, dueMs: number): void {
    this.#latencies[this.#answered++] = (performance.now() - dueMs) * 1_000;
    const waiting = this.#overdue.shift();
    if (waiting === undefined) this.#free.push(connection);
    else connection.send(waiting);
  }

  #result(): OpenLoopResult {
    return {
      requests: this.#count,
      latency: percentilesOf(this.#latencies),
      lateness: percentilesOf(this.#lateness.subarray(0, this.#onTime)),
      waited: this.#waited,
    };
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

interface ConnectionCallbacks {
  onAnswer(dueMs: number): void;
  onFault(error: Error): void;
}

class LoadConnection implements SocketHandler {
  readonly connected: Promise<void>;
  readonly #socket: Socket;
  readonly #request: string;
  readonly #reader: ResponseReader;
  readonly #callbacks: ConnectionCallbacks;
  #dueMs = 0;
  #isClosing = false;
  #onConnected: () => void = () => {};

  constructor({ port, request, bodyBytes }: OpenLoopPlan, callbacks: ConnectionCallbacks) {
    this.#request = request;
    this.#reader = new ResponseReader(bodyBytes);
    this.#callbacks = callbacks;
    this.connected = new Promise((resolve) => (this.#onConnected = resolve));
    this.#socket = connectSocket({ address: '127.0.0.1', port }, this);
  }

  send(dueMs: number): void {
    this.#dueMs = dueMs;
    this.#socket.write(this.#request, 'latin1');
  }

  close(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }

  onConnect(): void {
    this.#onConnected();
  }

  onBytes(bytes: Buffer, length: number): boolean {
    try {
      if (this.#reader.read(bytes, length)) this.#callbacks.onAnswer(this.#dueMs);
    } catch (error) {
      this.#callbacks.onFault(error instanceof Error ? error : new Error(String(error)));
    }
    return true;
  }

  onEnd(): void {
    this.#socket.destroy();
  }

  onDrain(): void {}

  onClose(error: Error | undefined): void {
    if (!this.#isClosing) this.#callbacks.onFault(error ?? new Error('a connection was closed'));
    this.#onConnected();
  }
}
