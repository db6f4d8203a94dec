/** Proxies that speak HTTP/2 with their clients, in front of a backend of HTTP/1.1 and of one of HTTP/2. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Cluster } from '../../proxy/api/envoy.gen.ts';
import { envoy } from '../peers/envoy.ts';
import { envoyCommand } from '../peers/envoy-program.ts';
import { haproxy, haproxyHop, startHaproxy } from '../peers/haproxy.ts';
import { heddle } from '../peers/heddle.ts';
import { heddleCommand } from '../peers/heddle-program.ts';
import { hopBootstrap } from '../peers/hop-bootstrap.ts';
import { nginx, nginxHop, startNginx } from '../peers/nginx.ts';
import type { Peer, Scene } from '../peers/peer.ts';
import type { Child } from '../processes.ts';

/** `start`: in front of HTTP/1.1. */
export interface Http2Peer extends Peer {
  startHttp2(scene: Scene): Promise<Child>;
}

const optionsName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const http2Cluster: Cluster = {
  typed_extension_protocol_options: {
    [optionsName]: { '@type': typeUrlOf(optionsName), explicit_http_config: { http2_protocol_options: {} } },
  },
};

/** Whoever starts from the bootstrap: which version clients speak tell their first bytes. */
function envoyLike(plain: Peer, command: (bootstrapFile: string) => string[]): Http2Peer {
  return {
    ...plain,
    startHttp2: (scene) =>
      scene.startProxy(command(scene.writeFile('http2.yaml', hopBootstrap(scene, { cluster: http2Cluster })))),
  };
}

const haproxyHttp2: Http2Peer = {
  ...haproxy,
  start: (scene) => startHaproxy(scene, haproxyHop(scene, 'proto h2')),
  startHttp2: (scene) => startHaproxy(scene, haproxyHop(scene, 'proto h2', 'proto h2')),
};

const nginxHttp2: Http2Peer = {
  ...nginx,
  start: (scene) =>
    startNginx(scene, nginxHop(scene, { listenOptions: 'http2', directives: 'http2_max_requests 1000000000;' })),
  startHttp2: () => Promise.reject(new Error('speaks no HTTP/2 with backends')),
};

/** In the order of the report. */
export const http2Peers: readonly Http2Peer[] = [
  envoyLike(heddle, (file) => heddleCommand('proxy', '-c', file)),
  haproxyHttp2,
  nginxHttp2,
  envoyLike(envoy, envoyCommand),
];
