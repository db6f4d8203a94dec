import { once } from 'node:events';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import {
  aggregatedDiscoveryService,
  decodeDiscoveryRequest,
  type DiscoveryRequest,
  type DiscoveryResponse,
  encodeDiscoveryResponse,
} from '../../../proxy/api/discovery.ts';
import { type DiscoveryName, discoveryNameOf } from '../../../proxy/api/resource-types.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { type JsonOf, responseOf } from './responses.ts';

export interface NamedRequest extends DiscoveryRequest {
  readonly name: DiscoveryName | undefined;
}

/** Values that one side puts in and the other waits for, in order. */
class Mailbox<T> {
  readonly #values: T[] = [];
  readonly #waiters: ((value: T) => void)[] = [];

  put(value: T): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#values.push(value);
    else waiter(value);
  }

  async take(): Promise<T> {
    const value = this.#values.shift();
    return value ?? (await new Promise<T>((resolve) => this.#waiters.push(resolve)));
  }

  get isEmpty(): boolean {
    return this.#values.length === 0;
  }
}

/** One stream of a client: what it asks is taken in order, what it gets is sent by the test. */
export class FakeAdsStream {
  readonly #call: ServerDuplexStream<Uint8Array, Uint8Array>;
  readonly #requests = new Mailbox<NamedRequest>();
  readonly closed: Promise<unknown>;

  constructor(call: ServerDuplexStream<Uint8Array, Uint8Array>) {
    this.#call = call;
    this.closed = once(call, 'cancelled');
    call.on('data', (bytes: Uint8Array) => {
      const request = requireValue(decodeDiscoveryRequest(bytes), 'request');
      this.#requests.put({ ...request, name: discoveryNameOf(request.typeUrl) });
    });
    call.on('end', () => call.end());
    call.on('error', () => {});
  }

  async next(): Promise<NamedRequest> {
    return this.#requests.take();
  }

  get hasNothingMore(): boolean {
    return this.#requests.isEmpty;
  }

  send<D extends DiscoveryName>(name: D, version: string, ...resources: (JsonOf<D> | Uint8Array)[]): void {
    this.sendResponse(responseOf(name, version, resources));
  }

  sendResponse({ resources, ...head }: DiscoveryResponse): void {
    const encoded = resources.map(({ typeUrl, value }) =>
      protobuf.Writer.create().uint32(18).fork().uint32(10).string(typeUrl).uint32(18).bytes(value).ldelim().finish(),
    );
    this.sendBytes(encodeDiscoveryResponse(head, encoded));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#call.write(bytes);
  }

  end(): void {
    this.#call.end();
  }
}

export class FakeAdsServer {
  readonly #streams = new Mailbox<FakeAdsStream>();
  readonly #address: string;
  #server = new Server();
  port: number;

  /** Port 0: one that the system chooses. */
  constructor(address = '127.0.0.1', port = 0) {
    this.#address = address;
    this.port = port;
  }

  /** On the port of the last time, so that a restarted server is found again. */
  async start(): Promise<void> {
    this.#server = new Server();
    this.#server.addService(aggregatedDiscoveryService, {
      streamAggregatedResources: (call: ServerDuplexStream<Uint8Array, Uint8Array>) => {
        this.#streams.put(new FakeAdsStream(call));
      },
    });
    this.port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`${this.#address}:${this.port}`, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  async nextStream(): Promise<FakeAdsStream> {
    return this.#streams.take();
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
