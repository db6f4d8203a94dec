import tls from 'node:tls';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { Authority } from '../../support/pki.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';

let authority: Authority;
let other: Authority;
beforeAll(() => {
  authority = new Authority();
  other = new Authority('another authority');
});
afterAll(() => {
  authority.close();
  other.close();
});

/** A server that sends back what it gets, and its side of the end after the client's. */
async function startEcho(): Promise<number> {
  const server = tls.createServer(
    { ...authority.issue({ names: ['DNS:db.example.com'] }), allowHalfOpen: true },
    (socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    },
  );
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeAfterTest(server);
  return (server.address() as AddressInfo).port;
}

async function start(ca: string): Promise<{ readonly proxy: ProxyParts; readonly client: RawClient }> {
  const validation_context = {
    trusted_ca: { inline_string: ca },
    match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'db.example.com' } }],
  };
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  const transport_socket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: { '@type': type, common_tls_context: { validation_context } },
  };
  const clusters = [staticCluster('backend', [await startEcho()], { transport_socket })];
  const proxy = closeAfterTest(
    new ProxyParts({ clusters, listeners: [tcpListener({ proxy: { cluster: 'backend' } })] }),
  );
  await proxy.start();
  return { proxy, client: closeAfterTest(await RawClient.connect(proxy.port('tcp'))) };
}

describe('a connection of the TCP proxy to a cluster with TLS', () => {
  it('is encrypted, carries bytes both ways and ends each way on its own', async () => {
    const { proxy, client } = await start(authority.cert);
    client.send('hello');
    await until(() => client.text === 'hello');
    client.send(' and goodbye');
    client.end();
    await client.untilOver();
    expect(client.text).toBe('hello and goodbye');
    await until(() => proxy.connections.length === 1);
    expect(proxy.connections[0]).toMatchObject({ responseFlags: '-', requestBytes: 17, responseBytes: 17 });
    expect(proxy.stat('cluster.backend.ssl.handshake')).toBe(1);
  });

  it('does not come about with a server that cannot be verified', async () => {
    const { proxy, client } = await start(other.cert);
    client.send('secret');
    await client.untilOver();
    expect(client.text).toBe('');
    await until(() => proxy.connections.length === 1);
    expect(proxy.connections[0]?.responseFlags).toContain('UF');
    expect(proxy.stat('cluster.backend.ssl.fail_verify_error')).toBe(1);
  });

  it('is broken off when the client resets, and nothing else is', async () => {
    const { proxy, client } = await start(authority.cert);
    client.send('hello');
    await until(() => client.text === 'hello');
    client.reset();
    await until(() => proxy.connections.length === 1);
    expect(proxy.connections[0]?.responseFlags).toBe('DC');
    await until(() => proxy.stat('cluster.backend.upstream_cx_active') === 0);
  });
});
