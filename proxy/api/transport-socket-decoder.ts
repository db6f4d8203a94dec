/** Decodes what stands between a cluster's connections and its hosts: TLS, and a header of the PROXY protocol before it. */
import type { Cluster } from './cluster.ts';
import type {
  ProxyProtocolUpstreamTransport as ProxyProtocolUpstreamTransportJson,
  TransportSocket as TransportSocketJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { readUpstreamContext, readUpstreamTls } from './tls-decoder.ts';

type UpstreamTransport = Pick<Cluster, 'tls' | 'proxyProtocol'>;

const plainText: UpstreamTransport = { tls: undefined, proxyProtocol: undefined };

/** Of a cluster; without any, connections carry requests and bytes as they are. */
export function readUpstreamTransport(fields: Fields<TransportSocketJson> | undefined): UpstreamTransport {
  fields?.ignore('name');
  const transport = fields?.typed<UpstreamTransport>('typed_config', {
    'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': () => plainText,
    'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext': (context) => ({
      ...plainText,
      tls: readUpstreamContext(context),
    }),
    'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport': readProxyProtocol,
  });
  return transport ?? plainText;
}

function readProxyProtocol(fields: Fields<ProxyProtocolUpstreamTransportJson>): UpstreamTransport {
  return {
    proxyProtocol: fields.message('config')?.choice('version', ['V1', 'V2']) ?? 'V1',
    tls: readUpstreamTls(fields.required('transport_socket')),
  };
}
