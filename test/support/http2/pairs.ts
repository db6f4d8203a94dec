/** A proxy in front of a server of Node, and a client of Node in front of the proxy: all four pairs of protocols. */
import { CodecProxy } from '../codec-proxy.ts';
import { http2Cluster } from './bootstraps.ts';
import { NodeClient, NodeServer, type Protocol, answerOk, protocols } from './node-peers.ts';

export const protocolPairs: readonly (readonly [downstream: Protocol, upstream: Protocol])[] = protocols.flatMap(
  (downstream) => protocols.map((upstream) => [downstream, upstream] as const),
);

type Json = Readonly<Record<string, unknown>>;

export interface PairOptions {
  /** More of the connection manager, the route action and the cluster. */
  readonly manager?: Json;
  readonly action?: Json;
  readonly cluster?: Json;
  /** Of the cluster that speaks HTTP/2. */
  readonly http2?: Json;
}

/** What serves both downstream protocols. */
export class Pair {
  readonly server: NodeServer;
  readonly proxy: CodecProxy;
  readonly #clients: NodeClient[] = [];

  private constructor(server: NodeServer, proxy: CodecProxy) {
    this.server = server;
    this.proxy = proxy;
  }

  static async start(upstream: Protocol, options: PairOptions = {}): Promise<Pair> {
    const server = await NodeServer.start(upstream);
    const { manager = {}, action = {}, cluster = {}, http2 } = options;
    const proxy = await CodecProxy.start({
      upstreamPorts: [server.port],
      manager,
      action,
      cluster: { ...cluster, ...(upstream === 'h2' ? http2Cluster(http2) : {}) },
    });
    return new Pair(server, proxy);
  }

  async connect(downstream: Protocol): Promise<NodeClient> {
    const client = await NodeClient.connect(downstream, this.proxy.port);
    this.#clients.push(client);
    return client;
  }

  /** After each test: nothing is left of it. */
  async clear(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    this.server.respond = answerOk;
    await this.proxy.untilQuiet();
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.server.close();
  }
}
