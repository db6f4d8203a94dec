/** Proxies that end TLS, and that pass it on by the server name it asks for; each beside itself without TLS. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { TransportSocket } from '../../proxy/api/envoy.gen.ts';
import { tlsServerName } from '../load.ts';
import { envoy } from '../peers/envoy.ts';
import { envoyCommand } from '../peers/envoy-program.ts';
import { haproxy, haproxyHop, startHaproxy } from '../peers/haproxy.ts';
import { heddle } from '../peers/heddle.ts';
import { heddleCommand } from '../peers/heddle-program.ts';
import { hopBootstrap } from '../peers/hop-bootstrap.ts';
import { nginx, nginxHop, startNginx } from '../peers/nginx.ts';
import type { Peer, Scene } from '../peers/peer.ts';
import type { Child } from '../processes.ts';
import { haproxyStream, nginxStream, tcpBootstrap, tcpPeer, type TcpParts } from '../tcp/peers.ts';
import { type Certificate, nginxTls } from './certificate.ts';

/** `start` is the plain hop; the others take the same load, or what is inside of it. */
export interface TlsPeer extends Peer {
  /** The same hop behind TLS. */
  terminate(scene: Scene, certificate: Certificate): Promise<Child>;
  /** Bytes, whatever they are. */
  pass(scene: Scene): Promise<Child>;
  /** Bytes of connections that ask for the server name. */
  passByName(scene: Scene): Promise<Child>;
}

function envoyLike(plain: Peer, command: (bootstrapFile: string) => string[]): TlsPeer {
  const start = (scene: Scene, bootstrap: string): Promise<Child> =>
    scene.startProxy(command(scene.writeFile('bootstrap.yaml', bootstrap)));
  return {
    ...plain,
    terminate: (scene, certificate) => start(scene, terminatingBootstrap(scene, certificate)),
    pass: (scene) => tcpPeer(plain.name).start(scene),
    passByName: (scene) => start(scene, tcpBootstrap(scene, byName)),
  };
}

const haproxyTls: TlsPeer = {
  ...haproxy,
  terminate: (scene, { bundleFile }) => startHaproxy(scene, haproxyHop(scene, `ssl crt ${bundleFile}`)),
  pass: (scene) => tcpPeer('haproxy').start(scene),
  passByName: (scene) =>
    startHaproxy(
      scene,
      haproxyStream(
        scene,
        `tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend upstream if { req.ssl_sni ${tlsServerName} }`,
      ),
    ),
};

const nginxWithTls: TlsPeer = {
  ...nginx,
  terminate: (scene, certificate) => startNginx(scene, nginxHop(scene, nginxTls(certificate))),
  pass: (scene) => tcpPeer('nginx').start(scene),
  passByName: (scene) =>
    startNginx(
      scene,
      nginxStream(scene, {
        before: `map $ssl_preread_server_name $upstream { ${tlsServerName} 127.0.0.1:${scene.backend.ports[0]}; }`,
        directives: 'ssl_preread on;\n    proxy_pass $upstream;',
      }),
    ),
};

/** In the order of the report. */
export const tlsPeers: readonly TlsPeer[] = [
  envoyLike(heddle, (file) => heddleCommand('proxy', '-c', file)),
  haproxyTls,
  nginxWithTls,
  envoyLike(envoy, envoyCommand),
];

/** The hop of Heddle and Envoy, behind TLS. */
export function terminatingBootstrap(scene: Pick<Scene, 'port' | 'backend'>, certificate: Certificate): string {
  const { file, keyFile } = certificate;
  const transportSocket: TransportSocket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
      common_tls_context: {
        tls_certificates: [{ certificate_chain: { filename: file }, private_key: { filename: keyFile } }],
      },
    },
  };
  return hopBootstrap(scene, { chain: { transport_socket: transportSocket } });
}

/** Of the listener that passes bytes on by server name. */
export const byName: TcpParts = {
  listener: {
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: { '@type': typeUrlOf('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') },
      },
    ],
  },
  chain: { filter_chain_match: { server_names: [tlsServerName] } },
};
