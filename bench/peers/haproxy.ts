import { requireExecutable } from '../executable.ts';
import type { Child } from '../processes.ts';
import { probeExecutable } from './installed.ts';
import type { Peer, Scene } from './peer.ts';

export const haproxy: Peer = {
  name: 'haproxy',
  setup: 'nbthread 1, http-reuse always, no log',
  probe: () => probeExecutable('haproxy', '-v', 'Debian package haproxy'),
  start: (scene) => startHaproxy(scene, haproxyHop(scene)),
};

export function startHaproxy(scene: Scene, config: string): Promise<Child> {
  const configFile = scene.writeFile('haproxy.cfg', config);
  return scene.startProxy([requireExecutable('haproxy', 'haproxy'), '-db', '-f', configFile]);
}

/** `bindOptions` end the line of the listening address, `serverOptions` that of the backend. */
export function haproxyHop({ port, backend }: Scene, bindOptions = '', serverOptions = ''): string {
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
  bind 127.0.0.1:${port} ${bindOptions}
  default_backend upstream
backend upstream
  server nginx 127.0.0.1:${backend.ports[0]} ${serverOptions}
`;
}
