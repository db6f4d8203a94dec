/** A connection of which the first bytes decide who serves it. From then on everything is passed to whoever that is. */
import { ByteBuffer } from '../common/byte-buffer.ts';
import type { Socket } from 'node:net';
import type { Clock } from '../common/clock.ts';
import type { SocketHandler } from '../common/socket.ts';
import { guard } from '../common/socket-fault.ts';
import { inspectClientHello } from '../tls/client-hello.ts';
import { inspectHttp } from './http-inspector.ts';

/** What is looked for in the first bytes of one connection. */
export interface InspectionPlan {
  readonly tls: boolean;
  readonly http: boolean;
  /** 0 = for ever. */
  readonly timeoutMs: number;
  readonly continuesOnTimeout: boolean;
}

/** What the first bytes told. */
export interface Inspected {
  readonly transportProtocol: 'raw_buffer' | 'tls';
  /** Lower case; empty without TLS, or when it names none. */
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
  /** Nothing came in time: the server may be the one that speaks first. */
  readonly isSilent: boolean;
}

export interface InspectorCallbacks {
  /** Serves the connection; undefined when it was closed instead. */
  onInspected(inspected: Inspected): SocketHandler | undefined;
  /** Nothing is served that is not known, and its first bytes did not come in time or are beyond what is looked at. */
  onRefused(): void;
  /** It was closed before its first bytes told anything. */
  onGone(): void;
}

const nothing: Inspected = {
  transportProtocol: 'raw_buffer',
  serverName: '',
  applicationProtocols: [],
  isSilent: false,
};
const silent: Inspected = { ...nothing, isSilent: true };

export class InspectingConnection implements SocketHandler {
  readonly #plan: InspectionPlan;
  readonly #callbacks: InspectorCallbacks;
  readonly #socket: Socket;
  /** Of its own and not the wheel's: a server that speaks first waits for it. */
  readonly #cancelTimer: (() => void) | undefined;
  readonly #first = new ByteBuffer();
  #handler: SocketHandler | undefined = undefined;
  #isDecided = false;

  constructor(socket: Socket, plan: InspectionPlan, callbacks: InspectorCallbacks, clock: Clock) {
    this.#socket = socket;
    this.#plan = plan;
    this.#callbacks = callbacks;
    const { timeoutMs } = plan;
    const onTimeout = (): void => guard(socket, () => this.#onTimeout());
    this.#cancelTimer = timeoutMs === 0 ? undefined : clock.setTimer(onTimeout, timeoutMs);
  }

  onBytes(bytes: Buffer, length: number): boolean {
    if (this.#handler !== undefined) return this.#handler.onBytes(bytes, length);
    if (this.#isDecided) return true;
    this.#first.append(bytes, 0, length);
    const found = this.#inspect();
    if (found === 'too_large') this.#refuse();
    return typeof found === 'string' ? true : this.#decide(found);
  }

  #inspect(): Inspected | 'incomplete' | 'too_large' {
    const { bytes, length } = this.#first;
    const hello = this.#plan.tls ? inspectClientHello(bytes, length) : undefined;
    switch (hello?.kind) {
      case 'incomplete':
      case 'too_large':
        return hello.kind;
      case 'client_hello':
        return {
          transportProtocol: 'tls',
          serverName: hello.serverName,
          applicationProtocols: hello.alpn,
          isSilent: false,
        };
      default:
        return this.#inspectPlainText(bytes, length);
    }
  }

  #inspectPlainText(bytes: Buffer, length: number): Inspected | 'incomplete' {
    const found = this.#plan.http ? inspectHttp(bytes, length) : 'none';
    if (found === 'incomplete') return 'incomplete';
    return found === 'none' ? nothing : { ...nothing, applicationProtocols: [found] };
  }

  #refuse(): void {
    this.#isDecided = true;
    this.#cancelTimer?.();
    this.#callbacks.onRefused();
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
    if (!this.#plan.continuesOnTimeout) this.#refuse();
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
    if (!this.#isDecided) this.#callbacks.onGone();
    this.#isDecided = true;
    this.#cancelTimer?.();
    this.#handler?.onClose(error);
  }
}
