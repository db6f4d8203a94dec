/** What a feature is in Envoy's fields, and what it may cost. Every request of this series carries `requestHeader`. */
import { tracesPath } from '../backend.ts';
import { serviceHost } from '../load.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import { type HopParts, mergeParts, staticCluster } from '../peers/hop-bootstrap.ts';
import type { Scene } from '../peers/peer.ts';

/** A header that rules look at and none matches. */
export const requestHeader = 'end-user: nobody';

export type FeatureScene = Pick<Scene, 'port' | 'backend'>;

export type Goal =
  /** CPU µs per request more than the plain hop. */
  | { readonly kind: 'micros'; readonly max: number }
  /** CPU percent more than the plain hop. */
  | { readonly kind: 'percent'; readonly max: number }
  /** CPU per request against the reference peer's. */
  | { readonly kind: 'ratio'; readonly max: number };

export interface Feature {
  readonly name: string;
  /** In one line of the report. */
  readonly setup: string;
  readonly goal: Goal;
  readonly parts: (scene: FeatureScene) => HopParts;
}

const micros = (max: number): Goal => ({ kind: 'micros', max });

/** The token bucket costs what it does where it is assigned. */
const quotaBucket = {
  '@type': typeUrlOf('envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings'),
  bucket_id_builder: { bucket_id_builder: { 'default/limit': { string_value: '4000000000/1000ms/4000000000' } } },
  reporting_interval: '0.2s',
  no_assignment_behavior: {
    fallback_rate_limit: {
      token_bucket: { max_tokens: 4_000_000_000, tokens_per_fill: 4_000_000_000, fill_interval: '1s' },
    },
  },
};

const singles: readonly Feature[] = [
  {
    name: '10 header routes',
    setup: 'ten routes that compare a header with another value each, then the one that is taken',
    goal: micros(0.5),
    parts: () => ({
      routes: range(10).map((i) => ({
        match: { prefix: '/', headers: [{ name: 'end-user', string_match: { exact: `user-${i}` } }] },
        route: { cluster: 'nginx' },
      })),
    }),
  },
  {
    name: '100 routes',
    setup: 'a hundred routes with a prefix each, then the one that is taken',
    goal: micros(0.5),
    parts: () => ({
      routes: range(100).map((i) => ({ match: { prefix: `/service-${i}/` }, route: { cluster: 'nginx' } })),
    }),
  },
  {
    name: '1000 virtual hosts',
    setup: 'a thousand virtual hosts with a host each, then the one that is taken',
    goal: { kind: 'percent', max: 5 },
    parts: () => ({
      virtualHosts: range(1_000).map((i) => ({
        name: `host-${i}`,
        domains: [`service-${i}.default.svc.cluster.local`],
        routes: [{ match: { prefix: '/' }, route: { cluster: 'nginx' } }],
      })),
      domains: [serviceHost],
    }),
  },
  {
    name: 'retries',
    setup: 'two retries of what failed, with a timeout each, on another host',
    goal: micros(0.5),
    parts: () => ({
      action: {
        timeout: '15s',
        retry_policy: {
          retry_on: '5xx,connect-failure,refused-stream,reset',
          num_retries: 2,
          per_try_timeout: '5s',
          retry_host_predicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typed_config: {
                '@type': typeUrlOf('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
              },
            },
          ],
          host_selection_retry_max_attempts: 5,
        },
      },
    }),
  },
  {
    name: 'outlier detection',
    setup: 'consecutive errors and success rate',
    goal: micros(0.5),
    parts: () => ({
      cluster: {
        outlier_detection: {
          consecutive_5xx: 5,
          consecutive_gateway_failure: 5,
          enforcing_consecutive_gateway_failure: 100,
          interval: '10s',
          base_ejection_time: '30s',
          max_ejection_percent: 50,
        },
      },
    }),
  },
  {
    name: 'rate limit',
    setup: 'a local token bucket that is never empty',
    goal: micros(0.5),
    parts: () => ({
      httpFilters: [
        {
          name: 'envoy.filters.http.local_ratelimit',
          typed_config: {
            '@type': typeUrlOf('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'),
            stat_prefix: 'limit',
            token_bucket: { max_tokens: 4_000_000_000, tokens_per_fill: 4_000_000_000, fill_interval: '1s' },
            filter_enabled: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
            filter_enforced: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
          },
        },
      ],
    }),
  },
  {
    name: 'global rate limit',
    setup: 'a quota that nobody assigned yet, counted and reported in vain',
    goal: micros(0.5),
    parts: ({ backend }) => ({
      httpFilters: [
        {
          name: 'envoy.filters.http.rate_limit_quota',
          typed_config: {
            '@type': typeUrlOf('envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig'),
            domain: 'heddle',
            rlqs_server: { envoy_grpc: { cluster_name: 'quota' } },
            bucket_matchers: { on_no_match: { action: { name: 'limit', typed_config: quotaBucket } } },
          },
        },
      ],
      clusters: [staticCluster('quota', backend.ports[1])],
    }),
  },
  {
    name: 'mirror off',
    setup: 'a mirror that gets 0 % of the requests',
    goal: micros(0.5),
    parts: ({ backend }) => ({
      action: {
        request_mirror_policies: [
          { cluster: 'mirror', runtime_fraction: { default_value: { numerator: 0, denominator: 'HUNDRED' } } },
        ],
      },
      clusters: [staticCluster('mirror', backend.ports[1])],
    }),
  },
  {
    name: 'access log',
    setup: 'one line of JSON with twelve fields per request to /dev/null',
    goal: micros(2),
    parts: () => ({
      manager: {
        access_log: [
          {
            name: 'envoy.access_loggers.file',
            typed_config: {
              '@type': typeUrlOf('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
              path: '/dev/null',
              log_format: { json_format: accessLogFields },
            },
          },
        ],
      },
    }),
  },
  {
    name: 'tracing 1 %',
    setup: 'one request in a hundred sampled, spans sent with OTLP over HTTP to nginx',
    goal: micros(2),
    parts: ({ backend }) => ({
      manager: {
        tracing: {
          random_sampling: { value: 1 },
          provider: {
            name: 'envoy.tracers.opentelemetry',
            typed_config: {
              '@type': typeUrlOf('envoy.config.trace.v3.OpenTelemetryConfig'),
              service_name: 'bench',
              http_service: {
                http_uri: {
                  uri: `http://127.0.0.1:${backend.ports[1]}${tracesPath}`,
                  cluster: 'collector',
                  timeout: '1s',
                },
              },
            },
          },
        },
      },
      clusters: [staticCluster('collector', backend.ports[1])],
    }),
  },
];

/** Each alone, and all together. */
export const features: readonly Feature[] = [
  ...singles,
  {
    name: 'everything',
    setup: 'all of these',
    goal: { kind: 'ratio', max: 1.8 },
    parts: (scene) => mergeParts(singles.map(({ parts }) => parts(scene))),
  },
];

const accessLogFields = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  authority: '%REQ(:AUTHORITY)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  upstream_host: '%UPSTREAM_HOST%',
};

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
