/** The way of a request in a mesh: through the client's sidecar and the server's, one program for both. */
import { findFreePorts } from '../../pilot/cli/free-ports.ts';
import { direct } from '../peers/direct.ts';
import { envoy } from '../peers/envoy.ts';
import { haproxy } from '../peers/haproxy.ts';
import { heddle } from '../peers/heddle.ts';
import type { Peer } from '../peers/peer.ts';

/** The server's sidecar stands in front of the backend, the client's in front of it, both on the proxies' core. */
export function twoOf(peer: Peer): Peer {
  return {
    name: `${peer.name} twice`,
    setup: `${peer.setup}; two processes, addressed openly instead of by interception`,
    probe: () => peer.probe(),
    async start(scene) {
      const [port = 0] = await findFreePorts(1);
      await peer.start({
        ...scene,
        port,
        writeFile: (name, text) => scene.writeFile(`server-${name}`, text),
        startProxy: (argv) => scene.startProxy(argv, port),
      });
      return peer.start({ ...scene, backend: { ports: [port, port] } });
    },
  };
}

/** In the order of the report. */
export const twoSidecarsPeers: readonly Peer[] = [twoOf(heddle), twoOf(envoy), twoOf(haproxy), direct];
