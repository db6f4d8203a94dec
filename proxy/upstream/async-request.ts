/**
 * A request of the proxy's own to a host of a cluster, as Envoy's async client makes them: it takes a connection of the
 * host's pool and counts there like any other.
 */
import { MeshError } from '../common/errors.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';
import type { DataRun } from '../http/filter.ts';
import { HeaderName } from '../http/header-name.ts';
import { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { Host } from './host.ts';
import type { PoolCallbacks, ResponseDecoder, UpstreamStream } from './upstream-stream.ts';

export interface AsyncRequestInput {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly headers: readonly { readonly name: HeaderName; readonly value: string }[];
  readonly body: Buffer;
  /** Of the whole exchange; > 0. */
  readonly timeoutMs: number;
}

const contentLength = new HeaderName('content-length');

export class AsyncRequest implements PoolCallbacks, ResponseDecoder {
  readonly responseHead = new ResponseHead();
  readonly recentMs: number;
  readonly #host: Host;
  readonly #head = new RequestHead();
  readonly #body: Buffer;
  readonly #timers: TimerWheel;
  readonly #timer: WheelTimer;
  readonly #onEnd: (result: number | MeshError) => void;
  #connection: UpstreamStream | undefined = undefined;
  #isOver = false;

  /** `onEnd` is called once: with the status of a response that came whole, or with why there is none. */
  constructor(host: Host, input: AsyncRequestInput, onEnd: (result: number | MeshError) => void) {
    const { clock, timers } = host.cluster.context;
    this.#host = host;
    this.#body = input.body;
    this.#timers = timers;
    this.#onEnd = onEnd;
    this.recentMs = clock.monotonicMs();
    this.#fillHead(input);
    this.#timer = new WheelTimer(() => {
      host.cluster.stats.timeouts.value += 1;
      this.#abort(new MeshError('upstream_timeout', `no response within ${input.timeoutMs} ms`));
    });
    timers.arm(this.#timer, input.timeoutMs, this.recentMs);
  }

  #fillHead({ method, authority, path, headers, body }: AsyncRequestInput): void {
    const head = this.#head;
    head.method = method;
    head.authority = authority;
    head.path = path;
    head.contentLength = body.length;
    for (const { name, value } of headers) head.headers.add(name, value);
    head.headers.add(contentLength, String(body.length));
  }

  start(): void {
    const connection = this.#host.newStream(this, this.recentMs, true);
    if (connection !== undefined) this.onPoolReady(connection);
  }

  /** Nobody waits for the response any more; `onEnd` hears of it. */
  cancel(): void {
    this.#abort(new MeshError('downstream_closed', 'the request was cancelled'));
  }

  #abort(error: MeshError): void {
    const connection = this.#connection;
    this.#end(error);
    connection?.abandon();
  }

  onPoolReady(connection: UpstreamStream): void {
    const body = this.#body;
    this.#connection = connection;
    connection.attach(this);
    connection.encodeHeaders(this.#head, body.length === 0);
    if (body.length > 0) connection.encodeData({ bytes: body, start: 0, end: body.length }, true);
  }

  onPoolFailure(error: MeshError): void {
    this.#end(error);
  }

  onRequestDrained(): void {}

  onResponseHeaders(endStream: boolean): void {
    const { status } = this.responseHead;
    this.#host.cluster.stats.responses.charge(status);
    this.#host.recordResult(status);
    if (endStream) this.#end(status);
  }

  onResponseData(_data: DataRun, endStream: boolean): void {
    if (endStream) this.#end(this.responseHead.status);
  }

  onResponseFlush(): void {}

  onReset(error: MeshError): void {
    this.#host.cluster.stats.resets.value += 1;
    this.#host.recordResult(error);
    this.#end(error);
  }

  #end(result: number | MeshError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#host.endStream(this, this.#connection);
    this.#connection = undefined;
    this.#timers.disarm(this.#timer);
    this.#onEnd(result);
  }
}
