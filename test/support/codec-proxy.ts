/** A proxy with one listener and one cluster, in this process, for tests of what goes over the wire. */
import { readBootstrap } from '../../proxy/bootstrap.ts';
import { requireValue } from '../../proxy/common/decoded.ts';
import { type Logger, silentLogger } from '../../proxy/common/log.ts';
import { ProxyServer } from '../../proxy/server.ts';
import { ManualClock } from './manual-clock.ts';
import { until } from './turns.ts';

type Json = Readonly<Record<string, unknown>>;

export interface CodecProxyOptions {
  readonly upstreamPorts: readonly number[];
  /** Fields of the connection manager, the route action and the cluster besides the ones that are needed. */
  readonly manager?: Json;
  readonly action?: Json;
  readonly cluster?: Json;
  readonly logger?: Logger;
}

const gauges = [
  'http.codec.downstream_rq_active',
  'http.codec.downstream_cx_active',
  'cluster.backend.upstream_rq_active',
  'cluster.backend.upstream_cx_active',
];

export class CodecProxy {
  readonly server: ProxyServer;
  readonly clock: ManualClock;

  private constructor(server: ProxyServer, clock: ManualClock) {
    this.server = server;
    this.clock = clock;
  }

  static async start(options: CodecProxyOptions): Promise<CodecProxy> {
    const clock = new ManualClock();
    const bootstrap = requireValue(readBootstrap(JSON.stringify(bootstrapOf(options)), 'test'), 'test');
    const server = new ProxyServer(bootstrap, { clock, logger: options.logger ?? silentLogger, random: () => 0 });
    await server.start();
    return new CodecProxy(server, clock);
  }

  get port(): number {
    return this.server.listeners.list()[0]?.port ?? 0;
  }

  /** Value of a counter or a gauge of Envoy's. */
  stat(name: string): number {
    return this.server.stats.entries().find((stat) => stat.name === name)?.value ?? 0;
  }

  /** Resolves when no stream and no connection is left; idle upstream connections are closed by letting their time pass. */
  async untilQuiet(): Promise<void> {
    const count = (names: readonly string[]): number => names.reduce((sum, name) => sum + this.stat(name), 0);
    const describe = (): string => gauges.map((name) => `${name}=${this.stat(name)}`).join(' ');
    await until(() => count(gauges.slice(0, 3)) === 0, describe);
    for (const cluster of this.server.clusters.list()) for (const host of cluster.hosts) host.closeIdle();
    await until(() => count(gauges) === 0, describe);
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

function bootstrapOf({ upstreamPorts, manager, action, cluster }: CodecProxyOptions): Json {
  const type = 'type.googleapis.com/envoy.extensions.filters';
  // Without a route timeout, as a sidecar has it unless a user asks for one.
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'backend', timeout: '0s', ...action } }];
  const typedConfig = {
    '@type': `${type}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'codec',
    generate_request_id: false,
    route_config: { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [{ name: 'router', typed_config: { '@type': `${type}.http.router.v3.Router` } }],
    ...manager,
  };
  const name = 'envoy.filters.network.http_connection_manager';
  const endpoints = [{ lb_endpoints: upstreamPorts.map((port) => ({ endpoint: { address: loopback(port) } })) }];
  return {
    static_resources: {
      listeners: [
        { name: 'in', address: loopback(0), filter_chains: [{ filters: [{ name, typed_config: typedConfig }] }] },
      ],
      clusters: [
        { name: 'backend', type: 'STATIC', load_assignment: { cluster_name: 'backend', endpoints }, ...cluster },
      ],
    },
  };
}

function loopback(port: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
