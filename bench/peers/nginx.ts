import { requireExecutable } from '../executable.ts';
import { nginxBase, type ServerTls } from '../nginx.ts';
import type { Child } from '../processes.ts';
import { probeExecutable } from './installed.ts';
import type { Peer, Scene } from './peer.ts';

export const nginx: Peer = {
  name: 'nginx',
  setup: 'worker_processes 1, upstream keepalive, access_log off',
  probe: () => probeExecutable('nginx', '-v', 'Debian package nginx'),
  start: (scene) => startNginx(scene, nginxHop(scene)),
};

export function startNginx(scene: Scene, config: string): Promise<Child> {
  const configFile = scene.writeFile('nginx.conf', config);
  return scene.startProxy([requireExecutable('nginx', 'nginx'), '-e', 'stderr', '-c', configFile]);
}

/** The buffers hold a whole 64 KiB body, so that nothing is ever written to a temporary file. */
export function nginxHop({ port, backend, directory }: Scene, tls?: ServerTls): string {
  return nginxBase(
    directory,
    'peer',
    `
  upstream backend {
    server 127.0.0.1:${backend.ports[0]};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096 ${tls?.listenOptions ?? ''};
    ${tls?.directives ?? ''}
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_buffers 8 16k;
      proxy_max_temp_file_size 0;
    }
  }`,
  );
}
