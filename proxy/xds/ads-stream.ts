/** One connection to the control plane with one ADS stream on it, from dialling to its end. */
import { X509Certificate } from 'node:crypto';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  connectivityState,
  credentials,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Endpoint } from '../api/cluster.ts';
import {
  decodeDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  encodeDiscoveryRequest,
  streamAggregatedResources,
} from '../api/discovery.ts';
import type { Node } from '../api/envoy.gen.ts';
import type { Clock } from '../common/clock.ts';
import type { ClientContext } from '../tls/upstream-tls.ts';

export interface AdsStreamOptions {
  readonly endpoint: Pick<Endpoint, 'address' | 'port'>;
  /** Undefined: plain text. */
  readonly tls: ClientContext | undefined;
  readonly connectTimeoutMs: number;
  /** A ping this often shows that the peer is alive; it has a third of that to answer. */
  readonly keepaliveTimeMs: number;
  /** Stands in the first request, whichever that is. */
  readonly node: Node;
  readonly clock: Clock;
}

export interface AdsStreamEvents {
  /** The next response is read when this has settled; it must not reject. */
  response(response: DiscoveryResponse): Promise<void>;
  /** Exactly once, unless `close` was called before. */
  ended(reason: string): void;
}

export class AdsStream {
  readonly #options: AdsStreamOptions;
  readonly #events: AdsStreamEvents;
  #client: Client | undefined;
  #call: ClientDuplexStream<Uint8Array, Uint8Array> | undefined;
  #cancelConnectTimer: () => void = () => {};
  #hasIntroducedItself = false;
  #isOver = false;

  constructor(options: AdsStreamOptions, events: AdsStreamEvents) {
    this.#options = options;
    this.#events = events;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  open(): void {
    const { endpoint, tls, connectTimeoutMs, keepaliveTimeMs, clock } = this.#options;
    const client = new Client(targetOf(endpoint), credentialsOf(tls), {
      // An address is no server name, and the library would send it: a word that stands for none.
      ...(tls === undefined ? {} : { 'grpc.ssl_target_name_override': tls.options.servername || 'xds' }),
      'grpc.keepalive_time_ms': keepaliveTimeMs,
      'grpc.keepalive_timeout_ms': keepaliveTimeMs / 3,
      // A channel of its own, with no back-off left over from an earlier one: the caller has one.
      'grpc.use_local_subchannel_pool': 1,
      // The control plane is reached directly whatever HTTP_PROXY says, which often names this very sidecar.
      'grpc.enable_http_proxy': 0,
      'grpc.max_receive_message_length': -1,
    });
    const { path, requestSerialize, responseDeserialize } = streamAggregatedResources;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#client = client;
    this.#call = call;
    call.on('data', (bytes: Uint8Array) => void this.#receive(bytes));
    call.on('status', ({ details, code }: StatusObject) => this.#end(details || `status ${code}`));
    // The status says the same; but an error without a listener would end the process.
    call.on('error', () => {});
    this.#cancelConnectTimer = clock.setTimer(() => {
      const state = client.getChannel().getConnectivityState(false);
      if (state !== connectivityState.READY) this.#end(`no connection within ${connectTimeoutMs} ms`);
    }, connectTimeoutMs);
  }

  send(request: DiscoveryRequest): void {
    if (this.#isOver) return;
    const node = this.#hasIntroducedItself ? undefined : this.#options.node;
    this.#hasIntroducedItself = true;
    this.#call?.write(encodeDiscoveryRequest({ ...request, node }));
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelConnectTimer();
    this.#call?.cancel();
    this.#client?.close();
  }

  /** One response at a time: the transport stops reading while one is applied. */
  async #receive(bytes: Uint8Array): Promise<void> {
    if (this.#isOver) return;
    const response = decodeDiscoveryResponse(bytes);
    // Without an envelope there is no nonce to refuse.
    if (response.errors !== undefined) return this.#end(response.errors.map(({ message }) => message).join('; '));
    this.#call?.pause();
    await this.#events.response(response.value);
    this.#call?.resume();
  }

  #end(reason: string): void {
    if (this.#isOver) return;
    this.close();
    this.#events.ended(reason);
  }
}

/** The library looks at the chain, and the cluster's own verifier at the rest, as for any connection of a cluster. */
function credentialsOf(tls: ClientContext | undefined): ChannelCredentials {
  const { secureContext } = tls?.options ?? {};
  if (tls === undefined || secureContext === undefined) return credentials.createInsecure();
  const { verifier } = tls;
  return credentials.createFromSecureContext(secureContext, {
    rejectUnauthorized: verifier !== undefined,
    checkServerIdentity: (_hostname, { raw }) => {
      const fault = verifier?.verify(new X509Certificate(raw), undefined);
      return fault && new Error(fault.message);
    },
  });
}

function targetOf({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return address.includes(':') ? `ipv6:[${address}]:${port}` : `ipv4:${address}:${port}`;
}
