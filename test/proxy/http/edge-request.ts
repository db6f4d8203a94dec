/** One request through a connection manager without sockets, from a peer of the test's choice. */
import type { HttpConnectionManager as HttpConnectionManagerJson } from '../../../proxy/api/envoy.gen.ts';
import { httpConnectionManagersOf } from '../../../proxy/api/listener.ts';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { ConnectionManager } from '../../../proxy/http/connection-manager.ts';
import type { MeshError } from '../../../proxy/common/errors.ts';
import type { HttpStream, ServerCodec } from '../../../proxy/http/stream.ts';
import { frameRequest } from '../../../proxy/http1/framing.ts';
import { parseRequestHead } from '../../../proxy/http1/head-parser.ts';
import { joined, listHeaders } from '../../../pilot/cli/offline/header-list.ts';
import { httpListener, routeConfiguration } from '../../support/envoy-json.ts';
import { ManualClock } from '../../support/manual-clock.ts';

export interface EdgeRequest {
  readonly peer?: string;
  readonly isSecure?: boolean;
  readonly path?: string;
  /** Lines of the head. */
  readonly headers?: readonly string[];
}

export interface SeenRequest {
  /** As the first filter gets it; names in lower case. Undefined: it was answered before. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly path: string;
  /** Who asked, as logs and hashes have it. */
  readonly client: string | undefined;
  readonly status: number;
  readonly details: string | undefined;
  readonly answer: Readonly<Record<string, string>>;
  readonly body: string;
}

export class EdgeProxy {
  readonly stats = new StatsStore();
  readonly #manager: ConnectionManager;
  #seen: Pick<SeenRequest, 'headers' | 'path' | 'client'> | undefined;
  #answered: Pick<SeenRequest, 'status' | 'details' | 'answer'> | undefined;

  /** `answersWith`: what the proxy itself says to what it let in. */
  constructor(manager: HttpConnectionManagerJson, answersWith?: MeshError) {
    const listener = requireValue(
      decodeListener(httpListener({ routes: routeConfiguration([]), manager })),
      'listener',
    );
    const [config] = httpConnectionManagersOf(listener);
    if (config === undefined) throw new Error('no HTTP connection manager');
    this.#manager = new ConnectionManager(config, {
      clock: new ManualClock(),
      stats: this.stats,
      filters: [(stream) => ({ decodeHeaders: () => this.#answer(stream, answersWith) })],
      observers: [{ onComplete: (stream) => this.#onComplete(stream) }],
    });
  }

  #answer(stream: HttpStream, error: MeshError | undefined): 'stop' {
    const headers = Object.fromEntries(joined(listHeaders(stream.request)));
    this.#seen = { headers, path: stream.request.path, client: stream.remoteAddress };
    if (error === undefined) stream.sendDirectResponse(200, '');
    else stream.sendLocalReply(error);
    return 'stop';
  }

  #onComplete({ response, localReplyDetails }: HttpStream): void {
    const answer = Object.fromEntries(joined(listHeaders(response)));
    this.#answered = { status: response.status, details: localReplyDetails, answer };
  }

  send({ peer = '192.0.2.5:40000', isSecure = false, path = '/', headers = [] }: EdgeRequest): SeenRequest {
    this.#seen = undefined;
    const stream = this.#manager.acquireStream();
    const codec = new FakeCodec(peer, isSecure);
    const bytes = Buffer.from([`GET ${path} HTTP/1.1`, 'host: a.com', ...headers, '', ''].join('\r\n'), 'latin1');
    const range = { start: 0, end: bytes.length };
    const consumed = parseRequestHead(bytes, range, this.#manager.headLimits, stream.request);
    if (consumed !== bytes.length) throw new Error('the head is malformed');
    this.#manager.beginStream(stream, codec);
    const fault = frameRequest(stream.request);
    if (fault !== undefined) throw new Error(fault.reason);
    stream.decodeHeaders(true);
    const { headers: seen, path: seenPath = '', client } = this.#seen ?? { headers: undefined, client: undefined };
    if (this.#answered === undefined) throw new Error('nobody answered');
    return { headers: seen, path: seenPath, client, ...this.#answered, body: codec.body };
  }

  stat(name: string): number | undefined {
    return this.stats.entries().find((stat) => stat.name === name)?.value;
  }
}

class FakeCodec implements ServerCodec {
  readonly remoteAddress: string;
  readonly isSecure: boolean;
  readonly localAddress = '192.0.2.1:80';
  readonly protocol = 'HTTP/1.1';
  readonly isCongested = false;
  body = '';

  constructor(remoteAddress: string, isSecure: boolean) {
    this.remoteAddress = remoteAddress;
    this.isSecure = isSecure;
  }

  encodeData({ bytes, start, end }: { bytes: Buffer; start: number; end: number }): void {
    this.body += bytes.toString('latin1', start, end);
  }

  encodeHeaders(): void {}
  onStreamDone(): void {}
  flush(): void {}
  setIdleTimeout(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}
  abort(): void {}
  halfClose(): void {}
}
