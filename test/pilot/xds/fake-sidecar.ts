/** A raw gRPC client that plays a sidecar: it sends requests, keeps what it was sent and answers when it is told to. */
import { Client, type ClientDuplexStream, credentials, type StatusObject } from '@grpc/grpc-js';
import {
  decodeDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  encodeDiscoveryRequest,
  streamAggregatedResources,
} from '../../../proxy/api/discovery.ts';
import type { RootMessages } from '../../../proxy/api/envoy.gen.ts';
import { type Health, healthRequest } from '../../../proxy/api/health.ts';
import { encodeNode, type NodeMetadata, nodeIdOf } from '../../../proxy/api/node.ts';
import { decode } from '../../../proxy/api/protojson.ts';
import { type DiscoveryName, discoveryNameOf, resourceTypes } from '../../../proxy/api/resource-types.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';

export interface Received {
  readonly type: DiscoveryName;
  readonly response: DiscoveryResponse;
  readonly bytes: Uint8Array;
}

export class FakeSidecar {
  /** Everything received so far, in order. */
  readonly received: Received[] = [];
  /** Accepts every response by itself, as a sidecar does. */
  isAccepting = false;
  /** How the stream ended. */
  readonly ended: Promise<StatusObject>;
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Uint8Array, Uint8Array>;
  readonly #metadata: NodeMetadata;
  readonly #taken = new Set<Received>();
  readonly #names = new Map<DiscoveryName, readonly string[]>();
  #hasIntroducedItself = false;
  #barriers = 0;
  #onReceived = (): void => {};

  constructor(port: number, metadata: NodeMetadata) {
    this.#metadata = metadata;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    const { path, requestSerialize, responseDeserialize } = streamAggregatedResources;
    this.#stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.ended = new Promise((resolve) => this.#stream.on('status', resolve));
    this.#stream.on('error', () => {});
    this.#stream.on('data', (bytes: Uint8Array) => {
      const response = requireValue(decodeDiscoveryResponse(bytes), 'response');
      const received = { type: discoveryNameOf(response.typeUrl) ?? 'CDS', response, bytes };
      this.received.push(received);
      if (this.isAccepting) this.ack(received);
      this.#onReceived();
    });
  }

  /** No names subscribe to everything. A second subscription to a type changes its names. */
  subscribe(type: DiscoveryName, names: readonly string[] = []): void {
    this.#names.set(type, names);
    const last = this.received.findLast((received) => received.type === type)?.response;
    this.#request(type, { versionInfo: last?.versionInfo ?? '', responseNonce: last?.nonce ?? '' });
  }

  ack({ type, response }: Received): void {
    this.#request(type, { versionInfo: response.versionInfo, responseNonce: response.nonce });
  }

  nack({ type, response }: Received, message: string): void {
    this.#request(type, { responseNonce: response.nonce, errorDetail: { code: 3, message } });
  }

  reportHealth(health: Health): void {
    this.#send(healthRequest(health));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  /** The next response that was not taken yet, of this type when one is given. */
  next(type?: DiscoveryName): Promise<Received> {
    return this.#find((received) => type === undefined || received.type === type);
  }

  /** Takes the next response, of this type when one is given, and accepts it. */
  async accept(type?: DiscoveryName): Promise<Received> {
    const received = await this.next(type);
    this.ack(received);
    return received;
  }

  /**
   * When it resolves, the server has handled all requests of this stream, and what it sent before has been received:
   * both directions keep their order. Needs EDS without a response under way.
   */
  async barrier(): Promise<void> {
    const names = this.#names.get('EDS') ?? [];
    this.#barriers += 1;
    const name = `barrier-${this.#barriers}`;
    this.subscribe('EDS', [...names, name]);
    const isBarrier = (received: Received): boolean =>
      received.type === 'EDS' && resourcesIn('EDS', received).some(({ cluster_name }) => cluster_name === name);
    const received = await this.#find(isBarrier);
    this.#names.set('EDS', names);
    this.ack(received);
  }

  /** What was received and not taken. */
  get pending(): readonly Received[] {
    return this.received.filter((item) => !this.#taken.has(item));
  }

  takeAll(): void {
    for (const received of this.received) this.#taken.add(received);
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  async #find(isWanted: (received: Received) => boolean): Promise<Received> {
    for (;;) {
      const found = this.pending.find(isWanted);
      if (found !== undefined) {
        this.#taken.add(found);
        return found;
      }
      await new Promise<void>((resolve) => (this.#onReceived = resolve));
    }
  }

  #request(type: DiscoveryName, request: Partial<DiscoveryRequest>): void {
    const { typeUrl } = resourceTypes[type];
    const resourceNames = this.#names.get(type) ?? [];
    const empty = {
      typeUrl,
      versionInfo: '',
      responseNonce: '',
      resourceNames,
      node: undefined,
      errorDetail: undefined,
    };
    this.#send({ ...empty, ...request });
  }

  #send(request: DiscoveryRequest): void {
    const id = nodeIdOf(this.#metadata);
    const node = this.#hasIntroducedItself ? undefined : encodeNode({ id, cluster: 'test', metadata: this.#metadata });
    this.#hasIntroducedItself = true;
    this.#stream.write(encodeDiscoveryRequest({ ...request, node }));
  }
}

/** The resources of a response in their JSON form. */
export function resourcesIn<T extends DiscoveryName>(
  type: T,
  { response }: Received,
): RootMessages[(typeof resourceTypes)[T]['messageName']][] {
  return response.resources.map(({ value }) => requireValue(decode(resourceTypes[type].messageName, value), type));
}

export function clusterNames(received: Received): string[] {
  return resourcesIn('CDS', received).map(({ name = '' }) => name);
}

/** Cluster name → `address:port`s. */
export function addressesIn(received: Received): Record<string, string[]> {
  const assignments = resourcesIn('EDS', received).map(({ cluster_name = '', endpoints = [] }) => {
    const addresses = endpoints.flatMap(({ lb_endpoints = [] }) =>
      lb_endpoints.map(({ endpoint }) => endpoint?.address),
    );
    return [
      cluster_name,
      addresses.map((address) => `${address?.socket_address?.address}:${address?.socket_address?.port_value}`),
    ] as const;
  });
  return Object.fromEntries(assignments);
}
