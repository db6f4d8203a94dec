/** Envoy's options of HTTP/2 in the shape in which a bootstrap has them. */
type Json = Readonly<Record<string, unknown>>;

const typeUrl = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function protocolOptions(options: Json): Json {
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': { '@type': typeUrl, ...options },
    },
  };
}

/** A cluster whose hosts speak HTTP/2, by prior knowledge. */
export function http2Cluster(options: Json = {}): Json {
  return protocolOptions({ explicit_http_config: { http2_protocol_options: options } });
}

/** A cluster whose hosts are asked in the protocol in which the proxy was asked. */
export function downstreamProtocolCluster(options: Json = {}): Json {
  return protocolOptions({
    use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: options },
  });
}
