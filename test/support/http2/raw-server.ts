/** Accepts HTTP/2 connections in raw frames and answers with exactly what it is told to. */
import net from 'node:net';
import { turns, until } from '../turns.ts';
import { Flag, type Frame, FrameType, hasFlag } from './frames.ts';
import type { Field } from './hpack-writer.ts';
import { RawPeer } from './raw-peer.ts';
import type { ReceivedMessage } from './received-message.ts';

export interface RawRequest {
  readonly peer: RawPeer;
  readonly streamId: number;
  readonly message: ReceivedMessage;
  readonly method: string;
  readonly path: string;
}

export const okFields: readonly Field[] = [
  [':status', '200'],
  ['content-length', '2'],
];

/** 200 with `ok`, without it for HEAD. */
export function answerOk({ peer, streamId, method }: RawRequest): void {
  const isHead = method === 'HEAD';
  peer.sendHead(streamId, okFields, isHead);
  if (!isHead) peer.sendData(streamId, 'ok');
}

export class RawServer {
  readonly #server = net.createServer({ allowHalfOpen: true });
  readonly connections: RawPeer[] = [];
  /** In the order in which their heads came. */
  readonly requests: RawRequest[] = [];
  readonly #requestOf = new WeakMap<ReceivedMessage, RawRequest>();
  /** What a new connection is told first; by default empty SETTINGS. */
  onConnection: (peer: RawPeer) => void = (peer) => peer.greet();
  /** Sees a request when its head is there. */
  onHead: (request: RawRequest) => void = () => {};
  /** Answers a request that is whole. */
  onRequest: (request: RawRequest) => void = answerOk;

  constructor() {
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  static async start(): Promise<RawServer> {
    const server = new RawServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get openConnections(): RawPeer[] {
    return this.connections.filter(({ isClosed }) => !isClosed);
  }

  /** What the other side sent against the RFC, on any connection. */
  get breaches(): string[] {
    return this.connections.flatMap(({ breaches }) => breaches);
  }

  /** Answers as at the beginning, forgets what was recorded, and breaks off all connections. */
  async clear(): Promise<void> {
    this.onConnection = (peer) => peer.greet();
    this.onHead = () => {};
    this.onRequest = answerOk;
    for (const peer of this.connections.splice(0)) peer.destroy();
    this.requests.length = 0;
    await turns(1);
  }

  /** The `count`th request, as soon as its head is there. */
  async request(count = 1): Promise<RawRequest> {
    await until(
      () => this.requests.length >= count,
      () => `${count} requests, got ${this.requests.map(({ method, path }) => `${method} ${path}`).join(', ')}`,
    );
    const request = this.requests[count - 1];
    if (request === undefined) throw new Error('it was there');
    return request;
  }

  /** On how many streams a request with this path came. */
  countOf(path: string): number {
    return this.requests.filter((each) => each.path === path).length;
  }

  close(): Promise<void> {
    for (const peer of this.connections) peer.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: net.Socket): void {
    const peer = new RawPeer(socket, 'server');
    this.connections.push(peer);
    socket.on('end', () => socket.end());
    peer.onFrame = (received) => this.#onFrame(peer, received);
    this.onConnection(peer);
  }

  #onFrame(peer: RawPeer, received: Frame): void {
    const { streamId } = received;
    const message = peer.messages.get(streamId);
    if (message?.head === undefined) return;
    let request = this.#requestOf.get(message);
    if (request === undefined) {
      const method = message.header(':method') ?? '';
      request = { peer, streamId, message, method, path: message.header(':path') ?? '' };
      this.requests.push(request);
      this.#requestOf.set(message, request);
      this.onHead(request);
    }
    if (endsMessage(received) && message.isEnded) this.onRequest(request);
  }
}

/** Whether a message that has ended by now did so with this frame. */
function endsMessage(received: Frame): boolean {
  const { type } = received;
  if (type === FrameType.data) return hasFlag(received, Flag.endStream);
  const isPart = type === FrameType.headers || type === FrameType.continuation;
  return isPart && hasFlag(received, Flag.endHeaders);
}
