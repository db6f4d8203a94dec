import tls from 'node:tls';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { CertificateStore } from '../../../proxy/tls/certificate-store.ts';
import { connectTls } from '../../../proxy/tls/tls-socket.ts';
import { UpstreamTlsContext } from '../../../proxy/tls/upstream-tls.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster } from '../../support/envoy-json.ts';
import { Authority } from '../../support/pki.ts';

/** A server that knows these protocols; returns its port. */
async function startServer(ALPNProtocols: string[]): Promise<number> {
  const authority = closeAfterTest(new Authority());
  const server = closeAfterTest(tls.createServer({ ...authority.issue(), ALPNProtocols }));
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** What is agreed on with a cluster that has these `alpn_protocols`. */
async function agreed(
  port: number,
  alpn_protocols: string[],
  speaks?: 'h2' | 'http/1.1',
): Promise<string | false | null> {
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  const typed_config = { '@type': type, common_tls_context: { alpn_protocols } };
  const json = staticCluster('shop', [1], { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config } });
  const { tls: config } = requireValue(decodeCluster(json), 'cluster');
  if (config === undefined) throw new Error('the cluster has TLS');
  const context = new UpstreamTlsContext(config, {
    store: new CertificateStore(),
    stats: new StatsStore(),
    clusterName: 'shop',
  });
  return new Promise((resolve, reject) => {
    const socket = connectTls({ address: '127.0.0.1', port, speaks }, context, {
      onConnect: () => {
        resolve((socket as tls.TLSSocket).alpnProtocol);
        socket.destroy();
      },
      onBytes: () => true,
      onEnd: () => {},
      onDrain: () => {},
      onClose: (error) => reject(error ?? new Error('closed')),
    });
  });
}

describe('what a cluster offers to speak over TLS', () => {
  it('is what it says, whatever the connection is for', async () => {
    const port = await startServer(['h2', 'http/1.1']);
    expect(await agreed(port, ['http/1.1'])).toBe('http/1.1');
    expect(await agreed(port, ['http/1.1'], 'h2')).toBe('http/1.1');
    expect(await agreed(port, ['h2'])).toBe('h2');
  });

  it('is never HTTP/2 for what will be HTTP/1.1: an upgrade, or a check of health', async () => {
    const port = await startServer(['h2', 'http/1.1']);
    expect(await agreed(port, ['h2'], 'http/1.1')).toBe('http/1.1');
    expect(await agreed(port, ['h2', 'http/1.1'], 'http/1.1')).toBe('http/1.1');
  });

  it('is what the connection is for where it says nothing', async () => {
    const port = await startServer(['h2', 'http/1.1']);
    expect(await agreed(port, [], 'h2')).toBe('h2');
    expect(await agreed(port, [], 'http/1.1')).toBe(false);
    expect(await agreed(port, [])).toBe(false);
  });
});
