/** The options of HTTP of a cluster: which version it speaks and how, and which statuses are errors there. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  Cluster,
  envoy_extensions_upstreams_http_v3_HttpProtocolOptions as HttpProtocolOptions,
  Http2ProtocolOptions,
} from '../../proxy/api/envoy.gen.ts';
import type { HttpVersion } from '../model/service.ts';
import { buildErrorMatcher } from './error-statuses.ts';

const protocolOptionsName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export interface ProtocolPlan {
  /** Default HTTP/1.1, which is Envoy's. */
  readonly version?: HttpVersion;
  /** In force where HTTP/2 is spoken. */
  readonly http2?: Http2ProtocolOptions;
  /** Only these count as errors; none: Envoy's rule. */
  readonly errorStatuses?: readonly number[] | undefined;
}

/** Envoy reads all options of HTTP in the newer of two places as soon as it has any there. */
export function withProtocolOptions(
  cluster: Cluster,
  { version = 'http1', http2 = {}, errorStatuses = [] }: ProtocolPlan,
): Cluster {
  if (version === 'http1' && errorStatuses.length === 0) return cluster;
  const { common_http_protocol_options: common, ...rest } = cluster;
  const options: HttpProtocolOptions = {
    ...(common === undefined ? {} : { common_http_protocol_options: common }),
    ...buildVersions(version, http2),
    ...(errorStatuses.length === 0 ? {} : { outlier_detection: { error_matcher: buildErrorMatcher(errorStatuses) } }),
  };
  const typed = { '@type': typeUrlOf(protocolOptionsName), ...options };
  return { ...rest, typed_extension_protocol_options: { [protocolOptionsName]: typed } };
}

function buildVersions(version: HttpVersion, http2: Http2ProtocolOptions): HttpProtocolOptions {
  switch (version) {
    case 'http1':
      return { explicit_http_config: { http_protocol_options: {} } };
    case 'http2':
      return { explicit_http_config: { http2_protocol_options: http2 } };
    case 'downstream':
      return { use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: http2 } };
  }
}
