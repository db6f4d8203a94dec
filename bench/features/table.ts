/** What a feature is in Envoy's fields, and what it may cost. Every request of this series carries `requestHeader`. */
import { tracesPath } from '../backend.ts';
import { serviceHost } from '../load.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  envoy_config_rbac_v3_RBAC as RbacRules,
  HttpFilter,
  Permission,
  Policy,
  Principal,
} from '../../proxy/api/envoy.gen.ts';
import { type HopParts, mergeParts, staticCluster } from '../peers/hop-bootstrap.ts';
import type { Scene } from '../peers/peer.ts';

/** A header that rules look at and none matches. */
export const requestHeader = 'end-user: nobody';

export interface FeatureScene extends Pick<Scene, 'port' | 'backend'> {
  /** Of the mixer that assigns quotas, where the feature `usesQuotas`. */
  readonly quotaPort: number;
}

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
  readonly usesQuotas?: true;
  readonly parts: (scene: FeatureScene) => HopParts;
}

const micros = (max: number): Goal => ({ kind: 'micros', max });

/** Never empty. Without an assignment, in the series without sockets, it costs the same. */
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
    setup: 'a quota that a mixer assigns and that is never used up, reported five times per second',
    goal: micros(0.5),
    usesQuotas: true,
    parts: ({ quotaPort }) => ({
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
      clusters: [staticCluster('quota', quotaPort)],
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

/** As pilot puts them into inbound routes: what denies first, and behind it what allows. Of the peers Envoy has the like. */
export const checkRules: Feature = {
  name: '10 check rules',
  setup:
    'nine rules that deny by method, path, header and source, none of which matches, and one that allows by source',
  goal: micros(1),
  parts: () => ({
    httpFilters: [
      rbacFilter('deny', {
        action: 'DENY',
        policies: Object.fromEntries(range(9).map((i) => [`rule-${i}`, denial(i)])),
      }),
      rbacFilter('allow', {
        action: 'ALLOW',
        policies: { rule: { permissions: [{ any: true }], principals: [{ direct_remote_ip: loopback }] } },
      }),
    ],
  }),
};

const loopback = { address_prefix: '127.0.0.0', prefix_len: 8 };

function rbacFilter(name: string, rules: RbacRules): HttpFilter {
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.filters.http.rbac.v3.RBAC'),
    rules,
    rules_stat_prefix: `${name}_rules.`,
    track_per_rule_stats: true,
  };
  return { name: `envoy.filters.http.rbac.${name}`, typed_config };
}

/** A third of them reads the header that every request has, a third the path, and a third the connection. */
function denial(i: number): Policy {
  const permissions: Permission[] = [
    { header: { name: 'end-user', string_match: { exact: `user-${i}` } } },
    {
      and_rules: {
        rules: [
          { header: { name: ':method', string_match: { exact: 'DELETE' } } },
          { url_path: { path: { prefix: `/admin-${i}/` } } },
        ],
      },
    },
    { any: true },
  ];
  const isOfSource = i % 3 === 2;
  const principal: Principal = isOfSource
    ? { direct_remote_ip: { address_prefix: `10.${i}.0.0`, prefix_len: 16 } }
    : { any: true };
  return { permissions: [permissions[i % 3] ?? { any: true }], principals: [principal] };
}

/** Each alone, all together, and what only sidecars of a mesh do. */
export const features: readonly Feature[] = [
  ...singles,
  {
    name: 'everything',
    setup: 'all of these',
    goal: { kind: 'ratio', max: 1.8 },
    usesQuotas: true,
    parts: (scene) => mergeParts(singles.map(({ parts }) => parts(scene))),
  },
  checkRules,
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
