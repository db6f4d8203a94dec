import { backendConfig } from '../backend.ts';
import { requireExecutable } from '../executable.ts';
import { probeExecutable } from './installed.ts';
import type { Peer } from './peer.ts';

/** No proxy at all: what the load generator and the backend take alone. */
export const direct: Peer = {
  name: 'no proxy',
  setup: 'the load goes straight to a server like the backend, on the same core',
  probe: () => probeExecutable('nginx', '-v', 'Debian package nginx'),
  start(scene) {
    const configFile = scene.writeFile('backend.conf', backendConfig(scene.directory, [scene.port], [100]));
    return scene.startHelper([requireExecutable('nginx', 'nginx'), '-e', 'stderr', '-c', configFile], scene.port);
  },
};
