/** A gRPC server for tests, by grpc-js: answers as the service of carts does, or as it is told. */
import { promisify } from 'node:util';
import {
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { closeAfterTest } from '../closing.ts';
import { type CallEcho, cartService, ordersService } from './cart-service.ts';

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;
export type Answering = (call: UnaryCall, answer: sendUnaryData<Buffer>, backend: GrpcBackend) => void;

/** Answers with a `CallEcho`. */
export const echoCall: Answering = (call, answer, { name }) => {
  const deadline = call.getDeadline();
  const echo: CallEcho = {
    name,
    path: call.getPath(),
    host: call.getHost(),
    metadata: Object.fromEntries(Object.entries(call.metadata.getMap()).map(([key, value]) => [key, String(value)])),
    bytes: call.request.length,
    timeoutMs: deadline === Infinity ? undefined : Number(deadline) - Date.now(),
  };
  answer(null, Buffer.from(JSON.stringify(echo)));
};

/** Fails with this status. Nothing was sent before: it stands in the head of a response that is nothing else. */
export const failWith =
  (code: number, details = 'told to fail'): Answering =>
  (_, answer) =>
    answer({ code, details });

/** Never answers. */
export const silent: Answering = () => {};

export class GrpcBackend {
  readonly name: string;
  readonly version: string;
  port = 0;
  /** Of unary calls that tell who answered; may be replaced while calls run. */
  answer: Answering;
  /** Paths of all calls so far. */
  readonly paths: string[] = [];
  /** Our clients: one for each connection that a call came on. */
  readonly peers = new Set<string>();
  /** Calls that their clients have given up. */
  cancelled = 0;
  readonly #server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });

  private constructor(version: string, answer: Answering) {
    this.version = version;
    this.name = `cart-${version}`;
    this.answer = answer;
    const unary = (call: UnaryCall, answer: sendUnaryData<Buffer>): void => {
      this.#note(call);
      this.answer(call, answer, this);
    };
    this.#server.addService(cartService, {
      get: unary,
      total: unary,
      put: (call: UnaryCall, answer: sendUnaryData<Buffer>) => this.#put(call, answer),
      list: (call: ServerWritableStream<Buffer, Buffer>) => this.#list(call),
      fill: (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => this.#fill(call, answer),
      chat: (call: ServerDuplexStream<Buffer, Buffer>) => this.#chat(call),
    });
    this.#server.addService(ordersService, { get: unary });
  }

  /** Ends with the test. */
  static async start(version: string, answer: Answering = echoCall): Promise<GrpcBackend> {
    const backend = closeAfterTest(new GrpcBackend(version, answer));
    backend.port = await new Promise<number>((resolve, reject) => {
      backend.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return backend;
  }

  get calls(): number {
    return this.paths.length;
  }

  /** As servers end that are told to: what runs finishes, and connections go away. */
  async leave(): Promise<void> {
    await promisify(this.#server.tryShutdown.bind(this.#server))();
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #note(call: { getPath(): string; getPeer(): string; on(event: 'cancelled', listener: () => void): unknown }): void {
    this.paths.push(call.getPath());
    this.peers.add(call.getPeer());
    call.on('cancelled', () => (this.cancelled += 1));
  }

  /** With metadata in front and trailers behind, in text and in bytes. */
  #put(call: UnaryCall, answer: sendUnaryData<Buffer>): void {
    this.#note(call);
    const head = new Metadata();
    head.set('x-heard', call.metadata.get('x-said').join());
    head.set('x-heard-bin', call.metadata.get('x-said-bin')[0] ?? Buffer.alloc(0));
    call.sendMetadata(head);
    const trailer = new Metadata();
    trailer.set('x-length', String(call.request.length));
    trailer.set('x-length-bin', Buffer.from([0, 1, 255]));
    answer(null, call.request, trailer);
  }

  #list(call: ServerWritableStream<Buffer, Buffer>): void {
    this.#note(call);
    for (let i = 0; i < Number(call.request.toString()); i++) call.write(Buffer.from(`item ${i}`));
    const trailer = new Metadata();
    trailer.set('x-name', this.name);
    call.end(trailer);
  }

  #fill(call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void {
    this.#note(call);
    const parts: Buffer[] = [];
    call.on('data', (bytes: Buffer) => parts.push(bytes));
    call.on('error', () => {});
    call.on('end', () => answer(null, Buffer.concat(parts)));
  }

  #chat(call: ServerDuplexStream<Buffer, Buffer>): void {
    this.#note(call);
    call.on('data', (bytes: Buffer) => call.write(Buffer.from(`${this.name}: ${bytes.toString()}`)));
    call.on('error', () => {});
    call.on('end', () => call.end());
  }
}
