/** Upstream connections without sockets: one waits, idle, at every host, so that the router never has to open one. */
import type { MeshError } from '../../../proxy/common/errors.ts';
import type { DataRun } from '../../../proxy/http/filter.ts';
import type { HeaderName } from '../../../proxy/http/header-name.ts';
import type { RequestHead } from '../../../proxy/http/message-head.ts';
import type { ClientConnection } from '../../../proxy/http1/client-connection.ts';
import type { Host } from '../../../proxy/upstream/host.ts';
import type { ResponseDecoder } from '../../../proxy/upstream/upstream-stream.ts';
import { type HeaderList, listHeaders } from './header-list.ts';

/** One request on its way to one host. */
export interface SentRequest {
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly isMirror: boolean;
  /** As far as it was sent. */
  body: string;
}

export type Answer =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly headers?: readonly (readonly [name: HeaderName, value: string])[];
      /** Until it comes, on the cluster's clock; default: as soon as answers are asked for. */
      readonly latencyMs?: number;
    }
  | { readonly kind: 'reset'; readonly error: MeshError };

/** Who is asked, for all hosts, what becomes of a request. Undefined: nothing, ever. */
export type Application = (request: SentRequest, host: Host) => Answer | undefined;

export class OfflineUpstream {
  readonly #application: Application;
  readonly #connected = new WeakSet<Host>();
  readonly #unsettled: (() => void)[] = [];

  constructor(application: Application) {
    this.#application = application;
  }

  /** Puts a connection in each host that has none. */
  connect(hosts: readonly Host[]): void {
    for (const host of hosts) {
      if (this.#connected.has(host)) continue;
      this.#connected.add(host);
      host.pool.putIdle(new OfflineConnection(host, this) as unknown as ClientConnection);
    }
  }

  /** Has hosts answer what they were asked; one answer may lead to the next attempt. */
  settle(): void {
    for (let answer = this.#unsettled.shift(); answer !== undefined; answer = this.#unsettled.shift()) answer();
  }

  /** Called by a connection that was asked; `give` takes the answer to the client, if it still waits. */
  accept(request: SentRequest, host: Host, give: (answer: Answer) => void): void {
    const answer = this.#application(request, host);
    if (answer === undefined) return;
    const latencyMs = answer.kind === 'response' ? (answer.latencyMs ?? 0) : 0;
    if (latencyMs > 0) host.cluster.context.clock.setTimer(() => give(answer), latencyMs);
    else this.#unsettled.push(() => give(answer));
  }
}

/** The part of a connection that the router, the mirrors and the pool use. */
type UsedConnection = Pick<
  ClientConnection,
  | 'isUsable'
  | 'attach'
  | 'encodeHeaders'
  | 'encodeData'
  | 'flush'
  | 'isCongested'
  | 'isReused'
  | 'abandon'
  | 'destroy'
  | 'pauseResponse'
  | 'resumeResponse'
>;

class OfflineConnection implements UsedConnection {
  readonly isCongested = false;
  readonly isReused = false;
  readonly #host: Host;
  readonly #upstream: OfflineUpstream;
  #request: SentRequest | undefined;
  #decoder: ResponseDecoder | undefined;

  constructor(host: Host, upstream: OfflineUpstream) {
    this.#host = host;
    this.#upstream = upstream;
  }

  isUsable(): boolean {
    return true;
  }

  attach(decoder: ResponseDecoder): void {
    this.#decoder = decoder;
  }

  encodeHeaders(head: RequestHead): void {
    const { method, path, authority } = head;
    const { address } = this.#host;
    const isMirror = /-shadow(:\d+)?$/.test(authority);
    const request = { address, method, path, authority, headers: listHeaders(head), isMirror, body: '' };
    this.#request = request;
    this.#upstream.accept(request, this.#host, (answer) => {
      if (this.#request === request) this.#give(answer);
    });
  }

  encodeData({ bytes, start, end }: DataRun): void {
    if (this.#request !== undefined) this.#request.body += bytes.toString('utf8', start, end);
  }

  #give(answer: Answer): void {
    const decoder = this.#decoder;
    if (decoder === undefined) return;
    this.abandon();
    if (answer.kind === 'reset') {
      decoder.onReset(answer.error, this as unknown as ClientConnection);
      return;
    }
    const { responseHead } = decoder;
    responseHead.status = answer.status;
    for (const [name, value] of answer.headers ?? []) responseHead.headers.add(name, value);
    decoder.onResponseHeaders(true);
  }

  abandon(): void {
    this.#request = undefined;
    this.#decoder = undefined;
    this.#host.pool.putIdle(this as unknown as ClientConnection);
  }

  destroy(): void {}
  flush(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}
}
