/** What stands between a cluster's connections and its hosts, as Istio nests it: the PROXY protocol around TLS. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Cluster, TransportSocket } from '../../proxy/api/envoy.gen.ts';
import type { PolicyBlocks } from '../model/destination-rules.ts';
import { buildUpstreamTls, isTlsOriginated, type TlsUpstream } from './upstream-tls.ts';

const plainText: TransportSocket = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: { '@type': typeUrlOf('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer') },
};

export function buildTransportSocket(
  { tls, proxyProtocol }: Pick<PolicyBlocks, 'tls' | 'proxyProtocol'>,
  upstream: TlsUpstream,
): Pick<Cluster, 'transport_socket'> {
  const inner = isTlsOriginated(tls) ? buildUpstreamTls(tls, upstream) : undefined;
  if (proxyProtocol === undefined) return inner === undefined ? {} : { transport_socket: inner };
  return {
    transport_socket: {
      name: 'envoy.transport_sockets.upstream_proxy_protocol',
      typed_config: {
        '@type': typeUrlOf('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport'),
        config: { version: proxyProtocol.version ?? 'V1' },
        transport_socket: inner ?? plainText,
      },
    },
  };
}
