/** A connection of which the first bytes decide who serves it. From then on everything is passed to whoever that is. */
import type { Inspection } from '../api/listener.ts';
import { ByteBuffer } from '../common/byte-buffer.ts';
import type { Socket } from 'node:net';
import type { Clock } from '../common/clock.ts';
import { guard, type SocketHandler } from '../common/socket.ts';
import { type HttpInspection, inspectHttp } from './http-inspector.ts';

/** What the first bytes told. */
export interface Inspected {
  readonly applicationProtocols: readonly string[];
  /** Nothing came in time: the server may be the one that speaks first. */
  readonly isSilent: boolean;
}

export interface InspectorCallbacks {
  /** Serves the connection; undefined when it was closed instead. */
  onInspected(inspected: Inspected): SocketHandler | undefined;
  /** Its first bytes did not come in time, and nothing is served that is not known. */
  onTimeout(): void;
}

const nothing: Inspected = { applicationProtocols: [], isSilent: false };
const silent: Inspected = { applicationProtocols: [], isSilent: true };

export class InspectingConnection implements SocketHandler {
  readonly #inspection: Inspection;
  readonly #callbacks: InspectorCallbacks;
  readonly #socket: Socket;
  /** Of its own and not the wheel's: a server that speaks first waits for it. */
  readonly #cancelTimer: (() => void) | undefined;
  readonly #first = new ByteBuffer();
  #handler: SocketHandler | undefined = undefined;
  #isDecided = false;

  constructor(socket: Socket, inspection: Inspection, callbacks: InspectorCallbacks, clock: Clock) {
    this.#socket = socket;
    this.#inspection = inspection;
    this.#callbacks = callbacks;
    const { timeoutMs } = inspection;
    const onTimeout = (): void => guard(socket, () => this.#onTimeout());
    this.#cancelTimer = timeoutMs === 0 ? undefined : clock.setTimer(onTimeout, timeoutMs);
  }

  onBytes(bytes: Buffer, length: number): boolean {
    if (this.#handler !== undefined) return this.#handler.onBytes(bytes, length);
    if (this.#isDecided) return true;
    this.#first.append(bytes, 0, length);
    const found = this.#inspect();
    return found === 'incomplete' ? true : this.#decide(inspectedOf(found));
  }

  #inspect(): HttpInspection {
    if (!this.#inspection.http) return 'none';
    return inspectHttp(this.#first.bytes, this.#first.length);
  }

  /** Returns whether reading goes on. */
  #decide(inspected: Inspected): boolean {
    this.#isDecided = true;
    this.#cancelTimer?.();
    this.#handler = this.#callbacks.onInspected(inspected);
    const { bytes, length } = this.#first;
    if (this.#handler === undefined || length === 0) return true;
    this.#first.clear();
    return this.#handler.onBytes(bytes, length);
  }

  #onTimeout(): void {
    if (this.#isDecided) return;
    if (!this.#inspection.continuesOnTimeout) this.#callbacks.onTimeout();
    else if (!this.#decide(this.#first.length === 0 ? silent : nothing)) this.#socket.pause();
  }

  /** Whatever came is all that comes. */
  onEnd(): void {
    if (!this.#isDecided) this.#decide(nothing);
    this.#handler?.onEnd();
  }

  onDrain(): void {
    this.#handler?.onDrain();
  }

  onClose(error: Error | undefined): void {
    this.#isDecided = true;
    this.#cancelTimer?.();
    this.#handler?.onClose(error);
  }
}

function inspectedOf(found: HttpInspection): Inspected {
  return found === 'none' ? nothing : { applicationProtocols: [found], isSilent: false };
}
