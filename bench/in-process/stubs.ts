/** Both ends of a hop without sockets: what is left is what the proxy does itself. */
import type { Socket } from 'node:net';
import { beginDelivery, endDelivery } from '../../proxy/common/clock.ts';
import type { RequestHead } from '../../proxy/http/message-head.ts';
import type { ClientConnection } from '../../proxy/http1/client-connection.ts';
import { frameResponse } from '../../proxy/http1/framing.ts';
import { parseResponseHead } from '../../proxy/http1/head-parser.ts';
import { removeHopByHop, serializeRequest } from '../../proxy/http1/serializer.ts';
import type { ConnectionFacts } from '../../proxy/listener/filter-chain-match.ts';
import type { Host } from '../../proxy/upstream/host.ts';
import type { ResponseDecoder } from '../../proxy/upstream/upstream-stream.ts';

/** A downstream socket that takes everything at once. */
export class StubSocket {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 40_000;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 15_001;
  readonly writableLength = 0;
  readonly destroyed = false;
  /** What was written last. */
  written = '';

  write(text: string): boolean {
    this.written = text;
    return true;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}

  /** As the codec wants it: it uses no more of a socket than this. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }
}

export const stubFacts: ConnectionFacts = {
  destinationAddress: '127.0.0.1',
  destinationPort: 15_001,
  sourceAddress: '127.0.0.1',
  sourcePort: 40_000,
  serverName: '',
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
};

const body = 'x'.repeat(100);
/** As nginx answers. */
const response = Buffer.from(
  'HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Wed, 25 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n' +
    `Content-Length: ${body.length}\r\nConnection: keep-alive\r\n\r\n${body}`,
);
const limits = { maxBytes: 61_440, maxHeaders: 100 };

/** An idle upstream connection whose server answers when `answerAll` is called. */
export class StubConnection {
  readonly isCongested = false;
  readonly isReused = true;
  readonly id = 1;
  readonly localAddress = '127.0.0.1:50000';
  readonly protocol = 'HTTP/1.1';
  readonly #host: Host;
  readonly #asked: StubConnection[];
  #decoder: ResponseDecoder | undefined = undefined;

  /** Appends itself to `asked` for each request that it gets. */
  constructor(host: Host, asked: StubConnection[]) {
    this.#host = host;
    this.#asked = asked;
  }

  isUsable(): boolean {
    return true;
  }

  attach(decoder: ResponseDecoder): void {
    this.#decoder = decoder;
  }

  encodeHeaders(head: RequestHead): void {
    serializeRequest(head);
    this.#asked.push(this);
  }

  encodeData(): void {}
  flush(): void {}
  abandon(): void {}
  destroy(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}

  /** Does with the response what the codec does: parse and frame it, give the connection back, hand the rest over. */
  answer(): void {
    const decoder = this.#decoder;
    if (decoder === undefined) return;
    beginDelivery();
    const { responseHead } = decoder;
    const start = parseResponseHead(response, { start: 0, end: response.length }, limits, responseHead);
    frameResponse(responseHead, 'GET');
    removeHopByHop(responseHead.headers);
    decoder.onResponseHeaders(false);
    this.#decoder = undefined;
    this.#host.pool.putIdle(this.asConnection());
    decoder.onResponseData({ bytes: response, start, end: response.length }, true);
    this.#host.pool.servePending(this.asConnection());
    endDelivery();
  }

  /** As the pool wants it: it uses no more of a connection than this. */
  asConnection(): ClientConnection {
    return this as unknown as ClientConnection;
  }
}
