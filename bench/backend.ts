/** The server behind every peer: nginx, one thread, answering from memory. It must be faster than what is measured. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePorts } from '../pilot/cli/free-ports.ts';
import { requireExecutable } from './executable.ts';
import { nginxBase, type ServerTls } from './nginx.ts';
import { loadCore, type Processes, waitForPort } from './processes.ts';

/** Larger texts than this do not fit into one word of an nginx configuration and come from a file in the page cache. */
const inlineBodyBytes = 2_048;

/** Two addresses of the same server, so that a weighted split has two clusters to choose from. */
export interface Backend {
  readonly ports: readonly [number, number];
}

/** Where the backend takes spans and drops them. */
export const tracesPath = '/v1/traces';

/** The path whose response body has this many bytes. */
export function bodyPath(bodyBytes: number): string {
  return `/${bodyBytes}`;
}

/** Starts the backend with one location per body size. */
export async function startBackend(
  processes: Processes,
  directory: string,
  bodies: readonly number[],
  tls?: ServerTls,
): Promise<Backend> {
  const nginx = requireExecutable('nginx', 'nginx');
  const [first = 0, second = 0] = await findFreePorts(2);
  const ports = [first, second] as const;
  for (const bytes of bodies) {
    if (bytes > inlineBodyBytes) writeFileSync(join(directory, String(bytes)), 'x'.repeat(bytes));
  }
  const configFile = join(directory, 'backend.conf');
  writeFileSync(configFile, backendConfig(directory, ports, bodies, tls));
  const child = processes.start(loadCore, [nginx, '-e', 'stderr', '-c', configFile]);
  await waitForPort(ports[0], child);
  return { ports };
}

export function backendConfig(
  directory: string,
  ports: readonly number[],
  bodies: readonly number[],
  tls?: ServerTls,
): string {
  const locations = bodies.map((bytes) =>
    bytes > inlineBodyBytes
      ? `location = ${bodyPath(bytes)} { root ${directory}; }`
      : `location = ${bodyPath(bytes)} { return 200 "${'x'.repeat(bytes)}"; }`,
  );
  return nginxBase(
    directory,
    'backend',
    `
  sendfile on;
  open_file_cache max=16;
  default_type application/octet-stream;
  server {
    ${ports.map((port) => `listen 127.0.0.1:${port} backlog=4096 ${tls?.listenOptions ?? ''};`).join('\n    ')}
    ${tls?.directives ?? ''}
    ${locations.join('\n    ')}
    location = ${tracesPath} { return 200; }
  }`,
  );
}
