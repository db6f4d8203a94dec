/** What nginx needs in both of its roles, as backend and as peer. */

/** What makes a `server` block end TLS. */
export interface ServerTls {
  /** After the listening address. */
  readonly listenOptions: string;
  readonly directives: string;
}

/**
 * A complete nginx configuration around the given content of its `http` block: one process, in the foreground, no
 * access log, connections that are never closed for their age, and no path outside `directory`, so that it runs as
 * any user.
 */
export function nginxBase(directory: string, name: string, http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
master_process off;
worker_processes 1;
pid ${directory}/${name}.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  ${temporary.map((kind) => `${kind}_temp_path ${directory}/${name}-${kind};`).join('\n  ')}
  access_log off;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  tcp_nodelay on;${http}
}
`;
}
