/** Resources in which nearly every field that the proxy supports says something: what mutations begin with. */
import type {
  Cluster,
  HttpConnectionManager,
  HttpFilter,
  Route,
  RouteConfiguration,
} from '../../proxy/api/envoy.gen.ts';
import { typed } from './api/samples.ts';

const always = { default_value: { numerator: 100, denominator: 'HUNDRED' } } as const;
const limit = typed('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', {
  stat_prefix: 'limit',
  token_bucket: { max_tokens: 1_000, tokens_per_fill: 10, fill_interval: '1s' },
  filter_enabled: always,
  filter_enforced: { default_value: { numerator: 50, denominator: 'TEN_THOUSAND' } },
  descriptors: [
    {
      entries: [{ key: 'route', value: 'a' }],
      token_bucket: { max_tokens: 2, tokens_per_fill: 1, fill_interval: '0.5s' },
    },
  ],
  enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
  stage: 1,
});
const fault = typed('envoy.extensions.filters.http.fault.v3.HTTPFault', {
  delay: { fixed_delay: '0.005s', percentage: { numerator: 1, denominator: 'HUNDRED' } },
  abort: { http_status: 503, percentage: { numerator: 5, denominator: 'MILLION' } },
  headers: [{ name: 'x-fault', string_match: { exact: 'yes', ignore_case: true } }],
  max_active_faults: 10,
});
const cors = typed('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
  allow_origin_string_match: [{ exact: 'https://a' }, { safe_regex: { regex: 'https://[a-z]+' } }],
  allow_methods: 'GET,POST',
  allow_headers: 'x-a',
  expose_headers: 'x-b',
  max_age: '600',
  allow_credentials: true,
});

/** In front of the router. */
export const richFilters: HttpFilter[] = [
  { name: 'envoy.filters.http.cors', typed_config: typed('envoy.extensions.filters.http.cors.v3.Cors') },
  { name: 'envoy.filters.http.fault', typed_config: fault },
  { name: 'envoy.filters.http.local_ratelimit', typed_config: limit },
];

const forwarding: Route = {
  name: 'forwarding',
  match: {
    prefix: '/a',
    case_sensitive: false,
    headers: [
      { name: 'end-user', string_match: { contains: 'nobody' }, invert_match: true },
      { name: 'x-b', present_match: false, treat_missing_header_as_empty: true },
    ],
    query_parameters: [{ name: 'q', string_match: { suffix: 'z' } }],
  },
  route: {
    weighted_clusters: {
      clusters: [
        { name: 'a', weight: 95, request_headers_to_add: [{ header: { key: 'x-version', value: 'v1' } }] },
        { name: 'b', weight: 5, host_rewrite_literal: 'b.example' },
      ],
      total_weight: 100,
    },
    timeout: '1.5s',
    idle_timeout: '5s',
    max_grpc_timeout: '3s',
    retry_policy: {
      retry_on: '5xx,connect-failure,retriable-status-codes,retriable-headers',
      num_retries: 2,
      per_try_timeout: '0.5s',
      per_try_idle_timeout: '0.25s',
      retriable_status_codes: [429],
      retriable_headers: [{ name: 'x-retry', present_match: true }],
      retry_back_off: { base_interval: '0.01s', max_interval: '0.1s' },
      rate_limited_retry_back_off: { reset_headers: [{ name: 'retry-after', format: 'SECONDS' }], max_interval: '1s' },
      host_selection_retry_max_attempts: 3,
    },
    hedge_policy: { hedge_on_per_try_timeout: true },
    hash_policy: [
      { header: { header_name: 'x-user' }, terminal: true },
      { cookie: { name: 'c', ttl: '60s', path: '/' } },
      { connection_properties: { source_ip: true } },
      { query_parameter: { name: 'q' } },
    ],
    request_mirror_policies: [{ cluster: 'b', runtime_fraction: always }],
    rate_limits: [
      {
        stage: 1,
        actions: [
          { generic_key: { descriptor_key: 'route', descriptor_value: 'a' } },
          { request_headers: { header_name: 'x-user', descriptor_key: 'user', skip_if_absent: true } },
          { header_value_match: { descriptor_value: 'm', headers: [{ name: 'x-m', present_match: true }] } },
        ],
      },
    ],
    regex_rewrite: { pattern: { regex: '^/a/(.*)$' }, substitution: '/\\1' },
    host_rewrite_literal: 'rewritten.example',
  },
  request_headers_to_add: [
    { header: { key: 'x-from', value: '%DOWNSTREAM_REMOTE_ADDRESS%' }, append_action: 'ADD_IF_ABSENT' },
  ],
  request_headers_to_remove: ['x-secret'],
  response_headers_to_add: [{ header: { key: 'x-flags', value: '%RESPONSE_FLAGS%' } }],
  response_headers_to_remove: ['server'],
  per_request_buffer_limit_bytes: 4_096,
  typed_per_filter_config: {
    'envoy.filters.http.cors': cors,
    'envoy.filters.http.fault': fault,
    'envoy.filters.http.local_ratelimit': limit,
  },
};

export const richRoutes: RouteConfiguration = {
  name: 'rich',
  max_direct_response_body_size_bytes: 1_000,
  virtual_hosts: [
    {
      name: 'a',
      domains: ['a.example', '*.a.example', 'a.*'],
      routes: [
        forwarding,
        { match: { path: '/direct' }, direct_response: { status: 418, body: { inline_string: 'tea' } } },
        {
          match: { safe_regex: { regex: '/(moved|gone)+/[0-9]*' } },
          redirect: { host_redirect: 'c.example', prefix_rewrite: '/new', response_code: 'FOUND', strip_query: true },
        },
      ],
      include_request_attempt_count: true,
    },
    {
      name: 'all',
      domains: ['*'],
      routes: [{ match: { prefix: '/' }, route: { cluster: 'a', prefix_rewrite: '/p/', timeout: '0s' } }],
      response_headers_to_add: [{ header: { key: 'x', value: '%%' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    },
  ],
};

export const richManager: HttpConnectionManager = {
  normalize_path: true,
  merge_slashes: true,
  max_request_headers_kb: 8,
  common_http_protocol_options: { idle_timeout: '60s', max_headers_count: 50 },
  request_headers_timeout: '5s',
  request_timeout: '20s',
  stream_idle_timeout: '30s',
  http2_protocol_options: {
    max_concurrent_streams: 100,
    initial_stream_window_size: 65_536,
    initial_connection_window_size: 131_072,
    connection_keepalive: { interval: '10s', timeout: '5s' },
  },
};

/** Without its endpoints. */
export const richCluster: Cluster = {
  connect_timeout: '0.25s',
  lb_policy: 'RING_HASH',
  ring_hash_lb_config: { minimum_ring_size: 64, maximum_ring_size: 256 },
  common_lb_config: { healthy_panic_threshold: { value: 40 } },
  circuit_breakers: {
    thresholds: [
      {
        max_connections: 100,
        max_pending_requests: 10,
        max_requests: 50,
        max_retries: 2,
        retry_budget: { budget_percent: { value: 25 }, min_retry_concurrency: 2 },
        track_remaining: true,
      },
    ],
  },
  outlier_detection: {
    consecutive_5xx: 3,
    consecutive_gateway_failure: 3,
    enforcing_consecutive_gateway_failure: 100,
    interval: '1s',
    base_ejection_time: '30s',
    max_ejection_time: '300s',
    max_ejection_percent: 50,
    success_rate_minimum_hosts: 3,
    success_rate_stdev_factor: 1_900,
    split_external_local_origin_errors: true,
    enforcing_failure_percentage: 100,
    failure_percentage_threshold: 60,
  },
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: 'shop.example.com',
      common_tls_context: {
        tls_params: { tls_maximum_protocol_version: 'TLSv1_3', cipher_suites: ['ECDHE-ECDSA-AES128-GCM-SHA256'] },
        tls_certificates: [
          { certificate_chain: { inline_string: 'chain' }, private_key: { filename: '/nowhere/key.pem' } },
        ],
        validation_context: {
          trusted_ca: { filename: '/nowhere/ca.pem' },
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { suffix: '.example.com' } }],
        },
        alpn_protocols: ['http/1.1'],
      },
    },
  },
  max_requests_per_connection: 100,
  common_http_protocol_options: { idle_timeout: '30s', max_connection_duration: '600s' },
  upstream_connection_options: { tcp_keepalive: { keepalive_time: 60, keepalive_interval: 10, keepalive_probes: 3 } },
  metadata: { filter_metadata: { istio: { services: [{ host: 'h', name: 'n', namespace: 'ns' }] } } },
};
