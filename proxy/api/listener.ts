/** Listeners, decoded from `envoy.config.listener.v3.Listener` and the HTTP connection manager inside. */
import type { AccessLogFilter } from './access-log-filter.ts';
import type { DynamicForwardProxyConfig, FilterConfig } from './filter-config.ts';
import type { RouteConfiguration, UpgradeConfigs } from './route.ts';
import type { Tracing } from './tracing.ts';

export interface Listener {
  readonly name: string;
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly trafficDirection: 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';
  /** Tried in order; exactly one today, without a match. */
  readonly filterChains: readonly FilterChain[];
}

export interface FilterChain {
  readonly name: string;
  readonly httpConnectionManager: HttpConnectionManager;
}

export interface HttpConnectionManager {
  readonly statPrefix: string;
  readonly routes:
    | { readonly kind: 'static'; readonly routeConfig: RouteConfiguration }
    | { readonly kind: 'rds'; readonly routeConfigName: string };
  /** In order; the last is always the router. */
  readonly httpFilters: readonly HttpFilter[];
  readonly accessLogs: readonly AccessLog[];
  /** Undefined: trace context passes through untouched. */
  readonly tracing?: Tracing | undefined;
  /** Default false: bring paths into the form of RFC 3986 section 6 before anything looks at them. */
  readonly normalizesPath: boolean;
  /** Default false: make one slash of several. */
  readonly mergesSlashes: boolean;
  /** Default true: add `x-request-id` when it is missing. */
  readonly generateRequestId: boolean;
  /** Envoy's default is 61,440 bytes. */
  readonly maxRequestHeadersBytes: number;
  readonly maxHeadersCount: number;
  /** Time from the first byte of a request to the end of its head; 0 = unlimited. */
  readonly requestHeadersTimeoutMs: number;
  /** Time from the first byte of a request to its last, however steadily they come; 0 = unlimited, Envoy's default. */
  readonly requestTimeoutMs: number;
  /** Time without any byte on a stream; 0 = unlimited. Envoy's default is 300,000. */
  readonly streamIdleTimeoutMs: number;
  /** Close a connection without streams after this long; 0 = never. Envoy's default is 3,600,000. */
  readonly idleTimeoutMs: number;
  /** For routes that say nothing; what is not there is not allowed. */
  readonly upgradeConfigs: UpgradeConfigs;
}

export interface HttpFilter {
  /** Routes configure the filter under this name. */
  readonly name: string;
  readonly kind: 'router' | NonNullable<HttpFilter['config']>['kind'];
  /** What holds for routes that say nothing; undefined: nothing is done there. */
  readonly config?: FilterConfig | DynamicForwardProxyConfig | undefined;
}

export interface AccessLog {
  readonly sink: AccessLogSink;
  readonly format: AccessLogFormat;
  /** Which requests have a line; default: all. */
  readonly filter: AccessLogFilter | undefined;
}

export type AccessLogSink =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'stderr' }
  | { readonly kind: 'file'; readonly path: string };

/** How one line is made. `omitsEmptyValues`: what has no value is left out; default: `-` in texts, null in JSON. */
export type AccessLogFormat =
  /** A format string, which ends its lines itself. */
  | { readonly kind: 'text'; readonly source: string; readonly omitsEmptyValues: boolean }
  | { readonly kind: 'json'; readonly properties: JsonFormat; readonly omitsEmptyValues: boolean };

export interface JsonFormat {
  readonly [key: string]: JsonFormatValue;
}

/** A format string, something that is the same in every line, or more of these. */
export type JsonFormatValue = string | number | boolean | null | readonly JsonFormatValue[] | JsonFormat;
