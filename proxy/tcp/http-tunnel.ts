/**
 * A tunnel through an HTTP/1.1 proxy, from where a host's connection is there: the request that opens it, the answer, and
 * what the answer's bytes mean. Source: Envoy docs `upgrades`, "Tunneling TCP over HTTP"; RFC 9110 §9.3.6 for CONNECT.
 */
import type { Tunneling } from '../api/listener.ts';
import { MeshError, TransportFailure } from '../common/errors.ts';
import { ResponseHead } from '../http/message-head.ts';
import { BodyReader } from '../http1/body-reader.ts';
import { frameResponse } from '../http1/framing.ts';
import { HeadBuffer } from '../http1/head-buffer.ts';
import { headIncomplete, parseResponseHead } from '../http1/head-parser.ts';
import { responseHeadLimits } from '../http/head-limits.ts';

export interface HttpTunnelCallbacks {
  /** With the status of the answer, 2xx. */
  onTunnelOpen(status: number): void;
  onTunnelBytes(bytes: Buffer, start: number, end: number): void;
  /** The answer's body is complete: the other side has said all. */
  onTunnelEnd(): void;
  /** There is no tunnel, or none any more. `status`: of the answer, when it was one that refuses. */
  onTunnelFailed(error: MeshError, status: number | undefined): void;
}

/** What opens the tunnel. */
export function tunnelRequest({ hostname, usesPost, postPath }: Tunneling): string {
  return usesPost
    ? `POST ${postPath} HTTP/1.1\r\nhost: ${hostname}\r\ntransfer-encoding: chunked\r\n\r\n`
    : `CONNECT ${hostname} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`;
}

type State = 'asking' | 'open' | 'over';

export class HttpTunnel {
  readonly #address: string;
  readonly #callbacks: HttpTunnelCallbacks;
  readonly #partial = new HeadBuffer();
  readonly #head = new ResponseHead();
  /** Of the answer to a POST; what follows the answer to a CONNECT is no message. */
  readonly #body: BodyReader | undefined;
  #state: State = 'asking';

  /** `address`: of the host, for errors. */
  constructor({ usesPost }: Tunneling, address: string, callbacks: HttpTunnelCallbacks) {
    this.#address = address;
    this.#callbacks = callbacks;
    this.#body = usesPost ? new BodyReader() : undefined;
  }

  get isOpen(): boolean {
    return this.#state !== 'asking';
  }

  read(bytes: Buffer, length: number): void {
    if (this.#state !== 'asking') return this.#readBytes(bytes, 0, length);
    if (this.#partial.isEmpty) return this.#readAnswer(bytes, length);
    this.#partial.append(bytes, 0, length);
    if (!this.#partial.isWorthParsing() && this.#partial.bytes.length <= responseHeadLimits.maxBytes) return;
    const whole = this.#partial.bytes;
    this.#partial.clear();
    this.#readAnswer(whole, whole.length);
  }

  #readAnswer(bytes: Buffer, length: number): void {
    let at = 0;
    while (at < length) {
      this.#head.reset();
      const consumed = parseResponseHead(bytes, { start: at, end: length }, responseHeadLimits, this.#head);
      if (consumed === headIncomplete) {
        this.#partial.append(bytes, at, length);
        this.#partial.isWorthParsing();
        return;
      }
      if (consumed < 0) return this.#refuse('answered with a malformed head', undefined);
      at += consumed;
      const { status } = this.#head;
      // Interim answers say nothing; another protocol was not asked for.
      if (status < 200 && status !== 101) continue;
      if (status < 200 || status >= 300) return this.#refuse(`answered ${status}`, status);
      return this.#open(bytes, at, length);
    }
  }

  #refuse(what: string, status: number | undefined): void {
    this.#state = 'over';
    const reason = `${this.#address} opened no tunnel: it ${what}`;
    const cause = status === undefined ? undefined : new TransportFailure(reason, `tunnel_response:${status}`);
    this.#callbacks.onTunnelFailed(new MeshError('connect_failure', reason, { cause }), status);
  }

  #open(bytes: Buffer, at: number, length: number): void {
    const body = this.#body;
    const fault = body && frameResponse(this.#head, 'POST');
    if (fault !== undefined) return this.#refuse(`framed its answer wrongly, ${fault.reason}`, undefined);
    this.#state = 'open';
    body?.begin(this.#head.contentLength);
    this.#callbacks.onTunnelOpen(this.#head.status);
    if (body?.isDone === true) this.#end();
    else if (at < length) this.#readBytes(bytes, at, length);
  }

  #readBytes(bytes: Buffer, start: number, end: number): void {
    const body = this.#body;
    if (body === undefined) return this.#callbacks.onTunnelBytes(bytes, start, end);
    for (let at = start; at < end && this.#state === 'open';) {
      at = body.read(bytes, at, end);
      if (at < 0) {
        this.#state = 'over';
        const reason = `the chunked answer from ${this.#address} is malformed`;
        return this.#callbacks.onTunnelFailed(new MeshError('upstream_reset', reason), undefined);
      }
      const { data } = body;
      if (data.end > data.start) this.#callbacks.onTunnelBytes(data.bytes, data.start, data.end);
      if (body.isDone) this.#end();
    }
  }

  #end(): void {
    this.#state = 'over';
    this.#callbacks.onTunnelEnd();
  }

  /** The other side ends its connection. Returns false when it had not said all that it announced. */
  onEnd(): boolean {
    if (this.#state === 'asking') {
      this.#refuse('ended the connection', undefined);
      return false;
    }
    const body = this.#body;
    if (this.#state === 'over' || body === undefined || body.endsWithConnection) return true;
    this.#state = 'over';
    const reason = `${this.#address} ended the connection before the end of its answer`;
    this.#callbacks.onTunnelFailed(new MeshError('upstream_reset', reason), undefined);
    return false;
  }
}
