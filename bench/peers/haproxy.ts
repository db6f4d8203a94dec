import { requireExecutable } from '../executable.ts';
import { probeExecutable } from './installed.ts';
import type { Peer, Scene } from './peer.ts';

export const haproxy: Peer = {
  name: 'haproxy',
  setup: 'nbthread 1, http-reuse always, no log',
  probe: () => probeExecutable('haproxy', '-v', 'Debian package haproxy'),
  start(scene) {
    const configFile = scene.writeFile('haproxy.cfg', config(scene));
    return scene.startProxy([requireExecutable('haproxy', 'haproxy'), '-db', '-f', configFile]);
  },
};

function config({ port, backend }: Scene): string {
  return `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend downstream
  bind 127.0.0.1:${port}
  default_backend upstream
backend upstream
  server nginx 127.0.0.1:${backend.ports[0]}
`;
}
