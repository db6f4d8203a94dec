/** Which Envoy messages Heddle speaks: the input of `generate.ts`. A message that is missing here is refused by name. */

/** Proto files, relative to the include folders of Envoy's API, that hold the messages below. */
export const wireFiles: readonly string[] = [
  'envoy/config/bootstrap/v3/bootstrap.proto',
  'envoy/config/common/matcher/v3/matcher.proto',
  'envoy/config/metrics/v3/metrics_service.proto',
  'envoy/config/trace/v3/opentelemetry.proto',
  'envoy/extensions/access_loggers/file/v3/file.proto',
  'envoy/extensions/access_loggers/grpc/v3/als.proto',
  'envoy/extensions/access_loggers/stream/v3/stream.proto',
  'envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto',
  'envoy/extensions/filters/http/cors/v3/cors.proto',
  'envoy/extensions/filters/http/custom_response/v3/custom_response.proto',
  'envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto',
  'envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto',
  'envoy/extensions/filters/http/fault/v3/fault.proto',
  'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
  'envoy/extensions/filters/http/rate_limit_quota/v3/rate_limit_quota.proto',
  'envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto',
  'envoy/extensions/filters/http/rbac/v3/rbac.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto',
  'envoy/extensions/filters/listener/original_dst/v3/original_dst.proto',
  'envoy/extensions/filters/listener/original_src/v3/original_src.proto',
  'envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/network/rbac/v3/rbac.proto',
  'envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto',
  'envoy/extensions/filters/udp/dns_filter/v3/dns_filter.proto',
  'envoy/extensions/http/custom_response/local_response_policy/v3/local_response_policy.proto',
  'envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.proto',
  'envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto',
  'envoy/extensions/load_balancing_policies/maglev/v3/maglev.proto',
  'envoy/extensions/load_balancing_policies/random/v3/random.proto',
  'envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto',
  'envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto',
  'envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.proto',
  'envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto',
  'envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto',
  'envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto',
  'envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
  'envoy/service/accesslog/v3/als.proto',
  'envoy/service/auth/v3/external_auth.proto',
  'envoy/service/discovery/v3/discovery.proto',
  'envoy/service/metrics/v3/metrics_service.proto',
  'envoy/service/rate_limit_quota/v3/rlqs.proto',
  'envoy/service/ratelimit/v3/rls.proto',
  'envoy/type/matcher/v3/http_inputs.proto',
];

/** Full names of the messages that stand at the top of something: a file, a stream, a resource or an Any. */
export const rootMessages: readonly string[] = [
  'envoy.config.bootstrap.v3.Bootstrap',
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.core.v3.Node',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.listener.v3.Listener',
  'envoy.config.metrics.v3.MetricsServiceConfig',
  'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
  'envoy.config.route.v3.RouteConfiguration',
  'envoy.config.route.v3.VirtualHost',
  'envoy.config.trace.v3.OpenTelemetryConfig',
  'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
  'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig',
  'envoy.extensions.access_loggers.stream.v3.StderrAccessLog',
  'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
  'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig',
  'envoy.extensions.filters.http.cors.v3.Cors',
  'envoy.extensions.filters.http.cors.v3.CorsPolicy',
  'envoy.extensions.filters.http.custom_response.v3.CustomResponse',
  'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig',
  'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
  'envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute',
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  'envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings',
  'envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig',
  'envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaOverride',
  'envoy.extensions.filters.http.ratelimit.v3.RateLimit',
  'envoy.extensions.filters.http.rbac.v3.RBAC',
  'envoy.extensions.filters.http.rbac.v3.RBACPerRoute',
  'envoy.extensions.filters.http.router.v3.Router',
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
  'envoy.extensions.filters.listener.original_src.v3.OriginalSrc',
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.rbac.v3.RBAC',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig',
  'envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy',
  'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest',
  'envoy.extensions.load_balancing_policies.maglev.v3.Maglev',
  'envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma',
  'envoy.extensions.load_balancing_policies.random.v3.Random',
  'envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash',
  'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin',
  'envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput',
  'envoy.extensions.matching.input_matchers.metadata.v3.Metadata',
  'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
  'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  'envoy.extensions.transport_sockets.tls.v3.Secret',
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  'envoy.service.accesslog.v3.StreamAccessLogsMessage',
  'envoy.service.accesslog.v3.StreamAccessLogsResponse',
  'envoy.service.auth.v3.CheckRequest',
  'envoy.service.auth.v3.CheckResponse',
  'envoy.service.discovery.v3.DiscoveryRequest',
  'envoy.service.discovery.v3.DiscoveryResponse',
  'envoy.service.metrics.v3.StreamMetricsMessage',
  'envoy.service.metrics.v3.StreamMetricsResponse',
  'envoy.service.rate_limit_quota.v3.RateLimitQuotaResponse',
  'envoy.service.rate_limit_quota.v3.RateLimitQuotaUsageReports',
  'envoy.service.ratelimit.v3.RateLimitRequest',
  'envoy.service.ratelimit.v3.RateLimitResponse',
  'envoy.type.matcher.v3.HttpRequestHeaderMatchInput',
  'google.protobuf.Struct',
  'google.rpc.Status',
];

/** Fields that Envoy has and the .proto files of the development dependency are too old for: message, name, type, number. */
export const newerFields: readonly { message: string; name: string; type: string; id: number }[] = [
  {
    message: 'envoy.config.route.v3.WeightedCluster',
    name: 'use_hash_policy',
    type: 'google.protobuf.BoolValue',
    id: 5,
  },
  {
    message: 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    name: 'prefer_client_ciphers',
    type: 'bool',
    id: 11,
  },
  {
    message: 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    name: 'auto_host_sni',
    type: 'bool',
    id: 6,
  },
  {
    message: 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    name: 'auto_sni_san_validation',
    type: 'bool',
    id: 7,
  },
  {
    message: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    name: 'outlier_detection',
    type: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.OutlierDetection',
    id: 8,
  },
];

/** Messages within others, likewise, with the fields of them that matter here: their type and number. */
export const newerMessages: readonly {
  parent: string;
  name: string;
  fields: Readonly<Record<string, { type: string; id: number }>>;
}[] = [
  {
    parent: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    name: 'OutlierDetection',
    fields: { error_matcher: { type: 'envoy.config.common.matcher.v3.MatchPredicate', id: 1 } },
  },
];

/**
 * The part of Prometheus' client data model that Envoy's metrics service carries and that no package ships:
 * `io.prometheus.client`, github.com/prometheus/client_model. Counter and histogram carry the time their process
 * started in `created_timestamp`, which lets a receiver tell a restart from a decrease.
 */
export const prometheusProto = `
syntax = "proto3";
package io.prometheus.client;
import "google/protobuf/timestamp.proto";
message LabelPair { string name = 1; string value = 2; }
enum MetricType { COUNTER = 0; GAUGE = 1; SUMMARY = 2; UNTYPED = 3; HISTOGRAM = 4; GAUGE_HISTOGRAM = 5; }
message Gauge { double value = 1; }
message Counter { double value = 1; google.protobuf.Timestamp created_timestamp = 3; }
message Quantile { double quantile = 1; double value = 2; }
message Summary { uint64 sample_count = 1; double sample_sum = 2; repeated Quantile quantile = 3; }
message Untyped { double value = 1; }
message Bucket { uint64 cumulative_count = 1; double upper_bound = 2; }
message Histogram {
  uint64 sample_count = 1; double sample_sum = 2; repeated Bucket bucket = 3;
  google.protobuf.Timestamp created_timestamp = 15;
}
message Metric {
  repeated LabelPair label = 1; Gauge gauge = 2; Counter counter = 3; Summary summary = 4; Untyped untyped = 5;
  int64 timestamp_ms = 6; Histogram histogram = 7;
}
message MetricFamily { string name = 1; string help = 2; MetricType type = 3; repeated Metric metric = 4; }
`;

/** A policy of Envoy's contrib build, whose .proto files the development dependency does not have. */
export const peakEwmaProto = `
syntax = "proto3";
package envoy.extensions.load_balancing_policies.peak_ewma.v3alpha;
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
message PeakEwma {
  google.protobuf.Duration decay_time = 1; google.protobuf.Duration aggregation_interval = 2;
  google.protobuf.UInt32Value max_samples_per_host = 3; google.protobuf.Duration default_rtt = 4;
  google.protobuf.DoubleValue penalty_value = 5;
}
`;

/** Matching on dynamic metadata, for which the .proto files of the development dependency are too old. */
export const metadataMatchingProtos = [
  `
syntax = "proto3";
package envoy.extensions.matching.common_inputs.network.v3;
message DynamicMetadataInput {
  message PathSegment { oneof segment { string key = 1; } }
  string filter = 1; repeated PathSegment path = 2;
}
`,
  `
syntax = "proto3";
package envoy.extensions.matching.input_matchers.metadata.v3;
import "envoy/type/matcher/v3/value.proto";
message Metadata { envoy.type.matcher.v3.ValueMatcher value = 1; bool invert = 4; }
`,
];
