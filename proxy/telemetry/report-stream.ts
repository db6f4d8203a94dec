/** One call on which a sidecar reports, `StreamMetrics` or `StreamAccessLogs`, from connecting to its end. */
import { Client, credentials, type ClientWritableStream, type Metadata, type MethodDefinition } from '@grpc/grpc-js';

const channelOptions = {
  // Without a retry buffer a write is only done when the transport took it: that is what makes backpressure felt.
  'grpc.per_rpc_retry_buffer_size': 0,
  // A peer that vanished without a word is noticed within a minute.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

export class ReportStream {
  /** Resolves when the call is over, with the reason when it did not end well. Never rejects. */
  readonly ended: Promise<Error | undefined>;
  readonly #client: Client;
  readonly #call: ClientWritableStream<Uint8Array>;
  #isOpen = true;
  /** Of the peer's answer, which may begin long before the end. */
  #metadata: Metadata | undefined;

  /** `target` is `host:port`, and whom the call asks for where `authority` says nothing. Throws when it is not one. */
  constructor(target: string, method: MethodDefinition<Uint8Array, Uint8Array>, authority = '') {
    const options = authority === '' ? channelOptions : { ...channelOptions, 'grpc.default_authority': authority };
    this.#client = new Client(target, credentials.createInsecure(), options);
    const { path, requestSerialize, responseDeserialize } = method;
    let onEnded: (reason: Error | undefined) => void;
    this.ended = new Promise((resolve) => {
      onEnded = resolve;
    });
    this.#call = this.#client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error) => {
      this.#isOpen = false;
      this.#client.close();
      onEnded(error ?? undefined);
    });
    this.#call.on('metadata', (metadata) => {
      this.#metadata = metadata;
    });
    // The callback above tells the same.
    this.#call.on('error', () => {});
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether the peer has said this of itself by now. */
  offers({ key, value }: { readonly key: string; readonly value: string }): boolean {
    return this.#metadata?.get(key).includes(value) === true;
  }

  /** Resolves when the transport took the message, or with false when the call is over. One at a time. */
  async write(message: Uint8Array): Promise<boolean> {
    if (!this.#isOpen) return false;
    const written = new Promise<void>((resolve) => this.#call.write(message, () => resolve()));
    await Promise.race([written, this.ended]);
    return this.#isOpen;
  }

  /** No more messages: the mixer answers when it has read them all. */
  finish(): void {
    if (this.#isOpen) this.#call.end();
  }

  cancel(): void {
    if (this.#isOpen) this.#call.cancel();
  }
}
