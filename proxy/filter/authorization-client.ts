/** Asks an authorization service, over one connection at a time and with a bound on open questions. */
import { Client, credentials, type ClientUnaryCall } from '@grpc/grpc-js';
import { checkMethod } from '../api/authorization-service.ts';
import type { ExtAuthzConfig } from '../api/ext-authz.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';

const channelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // A service that is back is asked again soon.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

export type CheckResult = { readonly bytes: Uint8Array } | { readonly fault: string };

type AuthorizationTarget = Pick<ExtAuthzConfig, 'clusterName' | 'authority' | 'timeoutMs'>;

export class AuthorizationClient {
  readonly #clusters: Pick<ClusterManager, 'find'>;
  readonly #config: AuthorizationTarget;
  #client: Client | undefined = undefined;
  #address = '';
  #open = 0;

  constructor(clusters: Pick<ClusterManager, 'find'>, config: AuthorizationTarget) {
    this.#clusters = clusters;
    this.#config = config;
  }

  /** Calls back once, and never before it returns; the returned function gives the question up. */
  check(request: Uint8Array, done: (result: CheckResult) => void): () => void {
    const { clusterName, timeoutMs } = this.#config;
    const cluster = this.#clusters.find(clusterName);
    const address = cluster?.pick()?.address;
    if (cluster === undefined || address === undefined) {
      return later(done, `cluster ${clusterName} has no host to ask`);
    }
    const { maxRequests } = cluster.config.circuitBreakers;
    if (this.#open >= maxRequests) return later(done, `${maxRequests} questions are open already`);
    const { path, requestSerialize, responseDeserialize } = checkMethod;
    const options = timeoutMs === 0 ? {} : { deadline: Date.now() + timeoutMs };
    this.#open += 1;
    const call: ClientUnaryCall = this.#clientFor(address).makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      options,
      (error, bytes) => {
        this.#open -= 1;
        done(bytes === undefined ? { fault: error?.message ?? 'no answer' } : { bytes });
      },
    );
    return () => call.cancel();
  }

  #clientFor(address: string): Client {
    if (this.#client !== undefined && this.#address === address) return this.#client;
    this.#client?.close();
    this.#address = address;
    const { authority } = this.#config;
    const own = authority === '' ? {} : { 'grpc.default_authority': authority };
    this.#client = new Client(address, credentials.createInsecure(), { ...channelOptions, ...own });
    return this.#client;
  }
}

function later(done: (result: CheckResult) => void, fault: string): () => void {
  const immediate = setImmediate(() => done({ fault }));
  return () => clearImmediate(immediate);
}
