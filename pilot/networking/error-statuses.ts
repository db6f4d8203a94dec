/** What a DestinationRule's outlierDetectionHttpErrorCodes mean for a cluster, as Istio translates them. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  Cluster,
  MatchPredicate,
  envoy_extensions_upstreams_http_v3_HttpProtocolOptions as HttpProtocolOptions,
} from '../../proxy/api/envoy.gen.ts';

const protocolOptionsName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Only these statuses count. Envoy reads them, and with them the other options of HTTP, in the newer of two places. */
export function withErrorStatuses(cluster: Cluster, statuses: readonly number[] = []): Cluster {
  if (statuses.length === 0) return cluster;
  const { common_http_protocol_options: common, ...rest } = cluster;
  const options: HttpProtocolOptions = {
    ...(common === undefined ? {} : { common_http_protocol_options: common }),
    explicit_http_config: { http_protocol_options: {} },
    outlier_detection: { error_matcher: buildMatcher(statuses) },
  };
  const typed = { '@type': typeUrlOf(protocolOptionsName), ...options };
  return { ...rest, typed_extension_protocol_options: { [protocolOptionsName]: typed } };
}

/** Envoy wants two alternatives at least where there are any. */
function buildMatcher(statuses: readonly number[]): MatchPredicate {
  const rules = statuses.map((status): MatchPredicate => {
    const header = { name: ':status', string_match: { exact: String(status) } };
    return { http_response_headers_match: { headers: [header] } };
  });
  const [only] = rules;
  return rules.length === 1 && only !== undefined ? only : { or_match: { rules } };
}
