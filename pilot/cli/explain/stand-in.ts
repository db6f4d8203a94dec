/** Stands for an endpoint: keeps what the router sends there and answers 200. */
import type { RequestHead } from '../../../proxy/http/message-head.ts';
import type { ClientConnection, ResponseDecoder } from '../../../proxy/http1/client-connection.ts';
import type { Host } from '../../../proxy/upstream/host.ts';
import { type HeaderList, listHeaders } from './header-list.ts';

export interface SentRequest {
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly isMirror: boolean;
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

const standIns = new WeakMap<Host, StandIn>();

/** Requests to `host` are put into `sent` from now on. */
export function connectStandIn(host: Host, sent: SentRequest[]): void {
  const known = standIns.get(host);
  if (known !== undefined) {
    known.sent = sent;
    return;
  }
  const standIn = new StandIn(host, sent);
  standIns.set(host, standIn);
  host.pool.putIdle(standIn as unknown as ClientConnection);
}

class StandIn implements UsedConnection {
  readonly isCongested = false;
  readonly isReused = false;
  readonly #host: Host;
  sent: SentRequest[];
  #decoder: ResponseDecoder | undefined;

  constructor(host: Host, sent: SentRequest[]) {
    this.#host = host;
    this.sent = sent;
  }

  isUsable(): boolean {
    return true;
  }

  attach(decoder: ResponseDecoder): void {
    this.#decoder = decoder;
  }

  encodeHeaders(head: RequestHead): void {
    const { method, path, authority } = head;
    const isMirror = /-shadow(:\d+)?$/.test(authority);
    this.sent.push({ address: this.#host.address, method, path, authority, headers: listHeaders(head), isMirror });
  }

  /** Nothing follows the head: the request is complete. */
  flush(): void {
    const decoder = this.#decoder;
    if (decoder === undefined) return;
    this.abandon();
    decoder.responseHead.status = 200;
    decoder.onResponseHeaders(true);
  }

  abandon(): void {
    this.#decoder = undefined;
    this.#host.pool.putIdle(this as unknown as ClientConnection);
  }

  destroy(): void {}
  encodeData(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}
}
