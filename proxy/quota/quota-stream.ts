/** One `StreamRateLimitQuotas` call, from connecting to its end. */
import { Client, credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { streamRateLimitQuotas } from '../api/quota-service.ts';

const channelOptions = {
  // A peer that vanished without a word is noticed within a minute.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

/** More than that waits to be sent: whoever should read it does not. */
const maxWaitingBytes = 1024 * 1024;

export interface QuotaStreamCallbacks {
  readonly onResponse: (bytes: Uint8Array) => void;
  /** Once, with the reason when there is one. */
  readonly onEnded: (reason: string) => void;
}

export class QuotaStream {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Uint8Array, Uint8Array>;
  readonly #callbacks: QuotaStreamCallbacks;
  #isOpen = true;

  /** `target` is `host:port`. Throws when it is not one. */
  constructor(target: string, callbacks: QuotaStreamCallbacks) {
    this.#callbacks = callbacks;
    this.#client = new Client(target, credentials.createInsecure(), channelOptions);
    const { path, requestSerialize, responseDeserialize } = streamRateLimitQuotas;
    this.#call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#call.on('data', (bytes: Uint8Array) => callbacks.onResponse(bytes));
    this.#call.on('error', (error) => this.#end(error.message));
    this.#call.on('end', () => this.#end('the server ended the stream'));
  }

  /** False when it was not taken: the counts are for a later report. */
  send(bytes: Uint8Array): boolean {
    if (!this.#isOpen || this.#call.writableLength > maxWaitingBytes) return false;
    this.#call.write(bytes);
    return true;
  }

  cancel(): void {
    this.#call.cancel();
    this.#end('cancelled');
  }

  #end(reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#client.close();
    this.#callbacks.onEnded(reason);
  }
}
