/** What the PROXY protocol takes in tests: clusters that speak it, a program that understands it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { requireExecutable } from '../../bench/executable.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Cluster, TransportSocket } from '../../proxy/api/envoy.gen.ts';
import type { ProxyProtocolVersion } from '../../proxy/api/cluster.ts';
import { eventually } from './mesh.ts';
import { type Certificate, temporaryFolder } from './pki.ts';
import type { RawBackend } from './raw-backend.ts';
import { unusedPort } from './unused-port.ts';

const rawBuffer: TransportSocket = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: { '@type': typeUrlOf('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer') },
};

/** The transport socket of a cluster whose connections begin with a header. */
export function proxyProtocolSocket(
  version: ProxyProtocolVersion,
  inner: TransportSocket = rawBuffer,
): Pick<Cluster, 'transport_socket'> {
  const type = 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';
  return {
    transport_socket: {
      name: 'envoy.transport_sockets.upstream_proxy_protocol',
      typed_config: { '@type': typeUrlOf(type), config: { version }, transport_socket: inner },
    },
  };
}

/** Has a backend of raw bytes read requests behind headers of version 1. What it received keeps them. */
export function readBehindHeaders(backend: RawBackend): void {
  backend.onBytes = (connection) => {
    if (connection.partial.startsWith('PROXY ')) connection.partial = connection.partial.replace(/^.*?\r\n/, '');
  };
}

/** Of each connection in the order of their coming. */
export function headerLines(backend: RawBackend): string[] {
  return backend.connections.map(({ received }) => received.slice(0, received.indexOf('\r\n')));
}

/**
 * HAProxy behind `accept-proxy`: it answers each request with the addresses that the header told it, `client>destination`.
 * Resolves with its port. It ends with the test.
 */
export async function startHaproxy(certificate?: Certificate): Promise<number> {
  const folder = temporaryFolder();
  const port = await unusedPort();
  const file = join(folder, 'haproxy.cfg');
  const pem = join(folder, 'server.pem');
  if (certificate !== undefined) writeFileSync(pem, certificate.cert + certificate.key);
  const addresses = '%[src]:%[src_port]>%[dst]:%[dst_port]';
  const lines = [
    'defaults',
    '  mode http',
    '  timeout connect 5s',
    '  timeout client 10s',
    '  timeout server 5s',
    'frontend in',
    `  bind 127.0.0.1:${port} accept-proxy${certificate === undefined ? '' : ` ssl crt ${pem}`}`,
    `  http-request return status 200 content-type text/plain lf-string "${addresses}"`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const haproxy = spawn(requireExecutable('haproxy', 'haproxy'), ['-f', file], { stdio: 'ignore' });
  onTestFinished(async () => {
    const ended = once(haproxy, 'exit');
    haproxy.kill('SIGKILL');
    await ended;
  });
  await eventually(() => accepts(port));
  return port;
}

async function accepts(port: number): Promise<true | undefined> {
  const socket = net.connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
