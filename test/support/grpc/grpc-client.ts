/** A gRPC client for tests, by grpc-js: one channel, which is one connection to where it is told to go. */
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  status as Status,
  type StatusObject,
} from '@grpc/grpc-js';
import { closeAfterTest } from '../closing.ts';
import { until } from '../turns.ts';
import { type CallEcho, cartService, sameBytes } from './cart-service.ts';

export interface GrpcCall {
  /** Default `/shop.Cart/Get`. */
  readonly path?: string;
  readonly message?: Buffer;
  /** Those of names that end in `-bin` are bytes. */
  readonly metadata?: Readonly<Record<string, string | Buffer>>;
  /** Default: it waits for as long as it takes, and says nothing. */
  readonly deadlineMs?: number;
}

export type MetadataValues = Readonly<Record<string, string | Buffer>>;

export interface GrpcAnswer {
  /** `OK`, `UNAVAILABLE`, … */
  readonly status: string;
  /** Of `grpc-message`. */
  readonly details: string;
  readonly messages: readonly Buffer[];
  readonly head: MetadataValues;
  /** Of a response that is nothing but its status: its head. */
  readonly trailers: MetadataValues;
  /** What a server says that tells who it is. */
  readonly echo: CallEcho | undefined;
  /** `cart-v1`: who answered. */
  readonly landed: string | undefined;
  /** Envoy's response flag of a local reply of ours. */
  readonly flag: string | undefined;
}

type Started = ReturnType<Client['makeServerStreamRequest']> | ClientDuplexStream<Buffer, Buffer>;

export class GrpcClient {
  readonly #client: Client;

  /** `authority`: whom it asks for, wherever that leads. `tls`: default plain text. Ends with the test. */
  constructor(port: number, authority: string, tls?: ChannelCredentials) {
    this.#client = closeAfterTest(
      new Client(`127.0.0.1:${port}`, tls ?? credentials.createInsecure(), {
        'grpc.default_authority': authority,
        ...(tls === undefined ? {} : { 'grpc.ssl_target_name_override': authority }),
        'grpc.max_receive_message_length': -1,
        'grpc.max_send_message_length': -1,
        // Its own connection: others of the same name share theirs.
        'grpc.use_local_subchannel_pool': 1,
        // What is done again is for the mesh to do.
        'grpc.enable_retries': 0,
      }),
    );
  }

  /** One message there, and one back. */
  async call({ path = cartService.get.path, message = Buffer.alloc(0), ...rest }: GrpcCall = {}): Promise<GrpcAnswer> {
    const answer = { value: undefined as Buffer | undefined, head: new Metadata() };
    const status = await new Promise<StatusObject>((resolve) => {
      const [metadata, options] = [metadataOf(rest), optionsOf(rest)];
      const call = this.#client.makeUnaryRequest(path, sameBytes, sameBytes, message, metadata, options, (_, value) => {
        answer.value = value;
      });
      call.on('metadata', (head) => (answer.head = head));
      call.on('status', resolve);
    });
    return readAnswer(status, answer.head, answer.value === undefined ? [] : [answer.value]);
  }

  /** Many messages back. */
  list(count: number, details: GrpcCall = {}): Promise<GrpcAnswer> {
    const message = Buffer.from(String(count));
    const { path } = cartService.list;
    return collect(
      this.#client.makeServerStreamRequest(
        path,
        sameBytes,
        sameBytes,
        message,
        metadataOf(details),
        optionsOf(details),
      ),
    );
  }

  /** Many messages there. */
  async fill(parts: readonly Buffer[], details: GrpcCall = {}): Promise<GrpcAnswer> {
    const answer = { value: undefined as Buffer | undefined, head: new Metadata() };
    const status = await new Promise<StatusObject>((resolve) => {
      const { path } = cartService.fill;
      const [metadata, options] = [metadataOf(details), optionsOf(details)];
      const call = this.#client.makeClientStreamRequest(path, sameBytes, sameBytes, metadata, options, (_, value) => {
        answer.value = value;
      });
      call.on('metadata', (head) => (answer.head = head));
      call.on('status', resolve);
      for (const part of parts) call.write(part);
      call.end();
    });
    return readAnswer(status, answer.head, answer.value === undefined ? [] : [answer.value]);
  }

  /** Messages both ways, for as long as the caller likes. */
  chat(details: GrpcCall = {}): Conversation {
    const { path } = cartService.chat;
    return new Conversation(
      this.#client.makeBidiStreamRequest(path, sameBytes, sameBytes, metadataOf(details), optionsOf(details)),
    );
  }

  /** How many of `count` calls, one after the other, landed where; those that nobody answered count under their status. */
  async share(count: number, details: GrpcCall = {}): Promise<Record<string, number>> {
    const shares: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const { landed, status } = await this.call(details);
      const key = landed ?? status;
      shares[key] = (shares[key] ?? 0) + 1;
    }
    return shares;
  }

  close(): void {
    this.#client.close();
  }
}

/** One call with messages both ways. */
export class Conversation {
  readonly heard: string[] = [];
  /** How it ended. */
  readonly ended: Promise<GrpcAnswer>;
  isOver = false;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;

  constructor(call: ClientDuplexStream<Buffer, Buffer>) {
    this.#call = call;
    call.on('data', (bytes: Buffer) => this.heard.push(bytes.toString()));
    this.ended = collect(call).finally(() => (this.isOver = true));
  }

  /** Resolves with what is said next. */
  async say(text: string): Promise<string> {
    const before = this.heard.length;
    this.#call.write(Buffer.from(text));
    await until(
      () => this.heard.length > before || this.isOver,
      () => `an answer to ${text}`,
    );
    return this.heard.at(before) ?? (await this.ended).status;
  }

  end(): Promise<GrpcAnswer> {
    this.#call.end();
    return this.ended;
  }

  cancel(): void {
    this.#call.cancel();
  }
}

function collect(call: Started): Promise<GrpcAnswer> {
  const messages: Buffer[] = [];
  let head = new Metadata();
  call.on('data', (bytes: Buffer) => messages.push(bytes));
  call.on('metadata', (each) => (head = each));
  // It is told as the status, too.
  call.on('error', () => {});
  return new Promise((resolve) => {
    call.on('status', (status) => resolve(readAnswer(status, head, messages)));
  });
}

function metadataOf({ metadata = {} }: GrpcCall): Metadata {
  const result = new Metadata();
  for (const [name, value] of Object.entries(metadata)) result.set(name, value);
  return result;
}

function optionsOf({ deadlineMs }: GrpcCall): { deadline?: number } {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
}

function readAnswer(
  { code, details, metadata }: StatusObject,
  head: Metadata,
  messages: readonly Buffer[],
): GrpcAnswer {
  const trailers = metadata.getMap();
  const echo = readEcho(messages[0]);
  const reason = trailers['x-heddle-reason'];
  const flag = typeof reason === 'string' ? reason.split(' ', 1)[0] : undefined;
  return { status: Status[code], details, messages, head: head.getMap(), trailers, echo, landed: echo?.name, flag };
}

function readEcho(message: Buffer | undefined): CallEcho | undefined {
  const text = message?.subarray(0, 8).toString() === '{"name":' ? message.toString() : undefined;
  return text === undefined ? undefined : (JSON.parse(text) as CallEcho);
}
