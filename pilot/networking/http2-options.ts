/** Clusters to which proxies speak gRPC themselves. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Cluster } from '../../proxy/api/envoy.gen.ts';

const protocolOptionsName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Envoy reads the options of HTTP in the newer of two places where there is one. */
export function withHttp2({ common_http_protocol_options: common, ...cluster }: Cluster): Cluster {
  const options = {
    '@type': typeUrlOf(protocolOptionsName),
    ...(common === undefined ? {} : { common_http_protocol_options: common }),
    ...cluster.typed_extension_protocol_options?.[protocolOptionsName],
    explicit_http_config: { http2_protocol_options: {} },
  };
  return { ...cluster, typed_extension_protocol_options: { [protocolOptionsName]: options } };
}
