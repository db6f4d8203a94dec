/** Listeners, decoded from `envoy.config.listener.v3.Listener` and the network filters inside. */
import type { NetworkRbacConfig } from './rbac.ts';
import type { SocketAddress } from './address-decoder.ts';
import type { MetricRules } from './metric-rules.ts';
import type { AccessLogFilter } from './access-log-filter.ts';
import type { DnsFilterConfig } from './dns-filter.ts';
import type { ExtAuthzConfig, ExtAuthzRouteConfig } from './ext-authz.ts';
import type { DynamicForwardProxyConfig, FilterConfig } from './filter-config.ts';
import type { Http2Options } from './http2-options.ts';
import type { DownstreamTls } from './tls.ts';
import type { RouteConfiguration, UpgradeConfigs } from './route.ts';
import type { CustomTag, Tracing } from './tracing.ts';

export interface Listener {
  readonly name: string;
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Where it listens besides; `::` beside `0.0.0.0` makes it one of both families. */
  readonly additionalAddresses: readonly SocketAddress[];
  /** False: it has no socket of its own and gets the connections that others hand over to it. */
  readonly bindsToPort: boolean;
  /** Connections are handed over to the listener of the address that they were meant for, when there is one. */
  readonly usesOriginalDestination: boolean;
  /** The socket accepts connections to any address (TPROXY; Envoy's `transparent`). */
  readonly isTransparent: boolean;
  /** Upstream connections come from the client's own address (Envoy's `original_src`); undefined: from the proxy's. */
  readonly originalSource?: OriginalSourceConfig | undefined;
  readonly trafficDirection: 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';
  /** How its metrics differ from Istio's; undefined: not at all. */
  readonly metricRules?: MetricRules | undefined;
  readonly inspection: Inspection;
  /** It answers DNS, over UDP and over TCP, and has no filter chains. Undefined: it accepts connections. */
  readonly dnsFilter?: DnsFilterConfig | undefined;
  /** The most specific match wins, whatever the order. */
  readonly filterChains: readonly FilterChain[];
  /** For connections that match none; undefined: they are closed. */
  readonly defaultFilterChain: FilterChain | undefined;
  /** Of connections that match no chain; those of the others have a log of their own. */
  readonly accessLogs: readonly AccessLog[];
}

export interface OriginalSourceConfig {
  /** SO_MARK of those connections, by which answers are routed back to the proxy; 0 = none. */
  readonly mark: number;
}

/** What is found out about a connection before its filter chain is chosen (Envoy docs `listener_filters`). */
export interface Inspection {
  /** Where it was meant to go before it was redirected here. */
  readonly originalDestination: boolean;
  /** Whether it begins with a ClientHello, and what that asks for; undefined: nobody looks. */
  readonly tls: Inspector | undefined;
  /** Whether it begins with HTTP, and which. */
  readonly http: Inspector | undefined;
  /** How long its first bytes are waited for; 0 = for ever. Envoy's default is 15,000. */
  readonly timeoutMs: number;
  /** After that time the connection is served as far as it is known, rather than closed. */
  readonly continuesOnTimeout: boolean;
}

export interface Inspector {
  /** It does not look at connections to these ports, which then do not wait for it; undefined: it looks at all. */
  readonly disabledAt: PortPredicate | undefined;
}

/** Of a connection's destination port; Envoy's `ListenerFilterChainMatchPredicate`. */
export type PortPredicate =
  /** `end` is not one of them. */
  | { readonly kind: 'ports'; readonly start: number; readonly end: number }
  | { readonly kind: 'not'; readonly of: PortPredicate }
  | { readonly kind: 'or' | 'and'; readonly of: readonly PortPredicate[] };

export interface FilterChain {
  readonly name: string;
  readonly match: FilterChainMatch;
  /** Undefined: connections are served as they come, in plain text or whatever it is. */
  readonly tls: DownstreamTls | undefined;
  /** In front of the filter: connections that one of them denies are not served. */
  readonly checks: readonly NetworkRbacConfig[];
  readonly filter: NetworkFilter;
}

/** Conditions on a connection; what is empty or undefined holds for all. */
export interface FilterChainMatch {
  readonly destinationPort: number | undefined;
  readonly destinationRanges: readonly CidrRange[];
  /** Lower case; `*.example.com` stands for every name under it. */
  readonly serverNames: readonly string[];
  readonly transportProtocol: '' | 'raw_buffer' | 'tls';
  readonly applicationProtocols: readonly string[];
  readonly sourceRanges: readonly CidrRange[];
  readonly sourcePorts: readonly number[];
}

export interface CidrRange {
  readonly address: string;
  readonly prefixLength: number;
}

/** The one filter of a chain. */
export type NetworkFilter =
  | { readonly kind: 'http_connection_manager'; readonly config: HttpConnectionManager }
  | { readonly kind: 'tcp_proxy'; readonly config: TcpProxyConfig };

/** `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`. */
export interface TcpProxyConfig {
  readonly statPrefix: string;
  /** At least one; weights are relative to their sum. */
  readonly clusters: readonly TcpClusterWeight[];
  /** Without a byte either way a connection is closed after this; 0 = never. Envoy's default is 3,600,000. */
  readonly idleTimeoutMs: number;
  /** However busy it is, a connection is closed after this; 0 = never. */
  readonly maxDownstreamConnectionDurationMs: number;
  /** Hosts that are tried; Envoy's default is 1. */
  readonly maxConnectAttempts: number;
  /** The hash of the client's address chooses the host, in clusters that balance by hash. */
  readonly hashesSourceIp: boolean;
  /** Undefined: hosts are what connections are for. */
  readonly tunneling: Tunneling | undefined;
  readonly accessLogs: readonly AccessLog[];
}

/** `TunnelingConfig`: hosts are HTTP/1.1 proxies, which are asked for a tunnel to somewhere else. */
export interface Tunneling {
  /** Where to: host and port, as it stands in the request. */
  readonly hostname: string;
  /** The tunnel is the bodies of a POST and its response, for proxies that know no CONNECT. */
  readonly usesPost: boolean;
  /** Envoy's default is `/`. */
  readonly postPath: string;
}

export interface TcpClusterWeight {
  readonly name: string;
  readonly weight: number;
}

export interface HttpConnectionManager {
  readonly statPrefix: string;
  /** What clients speak. Default AUTO: what was agreed on by ALPN, else HTTP/2 where a connection begins with its preface. */
  readonly codecType: 'AUTO' | 'HTTP1' | 'HTTP2';
  /** In force for clients that speak HTTP/2. */
  readonly http2: Http2Options;
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
  /** What is done with paths in which slashes are escaped (`%2F`, `%5C`); default: they stay. */
  readonly escapedSlashes: EscapedSlashesAction;
  /** What is done with header names that have an underscore, which some servers take for a hyphen; default: nothing. */
  readonly underscoresInHeaders: UnderscoresAction;
  readonly origin: RequestOriginConfig;
  readonly clientCert: ClientCertConfig;
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

/** `path_with_escaped_slashes_action`. */
export type EscapedSlashesAction =
  | 'KEEP_UNCHANGED'
  | 'REJECT_REQUEST'
  | 'UNESCAPE_AND_REDIRECT'
  | 'UNESCAPE_AND_FORWARD';

/** `headers_with_underscores_action`. */
export type UnderscoresAction = 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';

/** What is done with `x-forwarded-client-cert` (Envoy docs `http_conn_man/headers`). */
export interface ClientCertConfig {
  /**
   * Envoy's default is SANITIZE: nobody's word is passed on. All but ALWAYS_FORWARD_ONLY believe only clients that have shown
   * a certificate themselves; SANITIZE_SET and APPEND_FORWARD tell about that one, the latter after what the client said.
   */
  readonly mode: 'SANITIZE' | 'FORWARD_ONLY' | 'APPEND_FORWARD' | 'SANITIZE_SET' | 'ALWAYS_FORWARD_ONLY';
  /** What is told, beside the certificate's hash and whom it was shown to. */
  readonly tells: Readonly<Record<'subject' | 'cert' | 'dns' | 'uri', boolean>>;
}

/** Who is believed to have sent a request, and how far it is trusted (Envoy docs `http_conn_man/headers`). */
export interface RequestOriginConfig {
  /**
   * Default false. True at the edge of the mesh: the client is who connected, not who `x-forwarded-for` says, and what only
   * the mesh may say is taken from its requests.
   */
  readonly usesRemoteAddress: boolean;
  /** Proxies in front of this one that are trusted to have added the address of their client; default 0. */
  readonly xffNumTrustedHops: number;
  /** Clients that belong to the mesh; Envoy's default is none. */
  readonly internalAddresses: readonly CidrRange[];
  /** Default false: a request from outside gets an id of its own in the place of the one that it came with. */
  readonly preservesExternalRequestId: boolean;
}

/** What stands in filter chains as it does in routes. */
type ChainFilterConfig = Exclude<FilterConfig, ExtAuthzRouteConfig>;

export interface HttpFilter {
  /** Routes configure the filter under this name. */
  readonly name: string;
  readonly kind: 'router' | NonNullable<HttpFilter['config']>['kind'];
  /** What holds for routes that say nothing; undefined: nothing is done there. */
  readonly config?: ChainFilterConfig | DynamicForwardProxyConfig | ExtAuthzConfig | undefined;
}

export type AccessLog = (LineAccessLog | GrpcAccessLog) & {
  /** Which requests are logged; default: all. */
  readonly filter: AccessLogFilter | undefined;
};

/** A line each. */
export interface LineAccessLog {
  readonly kind: 'lines';
  readonly sink: AccessLogSink;
  readonly format: AccessLogFormat;
}

/** An entry each, sent to an access-log service. */
export interface GrpcAccessLog {
  readonly kind: 'grpc';
  readonly service: AccessLogServiceConfig;
  /** Entries are those of requests, or of connections without any. */
  readonly entries: 'http' | 'tcp';
  /** In lower case. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly customTags: readonly LogTag[];
}

/** Loggers that say the same share one stream. */
export interface AccessLogServiceConfig {
  readonly logName: string;
  readonly clusterName: string;
  /** Whom the stream asks for; empty: the address of the endpoint. */
  readonly authority: string;
  /** Entries are sent after this time at the latest; default 1 s. */
  readonly bufferFlushIntervalMs: number;
  /** Entries are sent at once when they are this large; default 16 KiB, 0: each alone. */
  readonly bufferSizeBytes: number;
}

/** `destination_workload`: of the endpoint, as it stands in its metadata; left out where there is none. */
export type LogTag = CustomTag | { readonly kind: 'destination_workload'; readonly tag: string };

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

/** All of a listener's addresses, its own first. */
export function listenerAddressesOf({ address, port, additionalAddresses }: Listener): SocketAddress[] {
  return [{ address, port }, ...additionalAddresses];
}

/** The HTTP connection managers of a listener, the default filter chain's last. */
export function httpConnectionManagersOf(listener: Listener): HttpConnectionManager[] {
  return networkFiltersOf(listener).flatMap((filter) =>
    filter.kind === 'http_connection_manager' ? [filter.config] : [],
  );
}

/** The filters of all chains, the default one's last. */
export function networkFiltersOf(listener: Listener): NetworkFilter[] {
  return filterChainsOf(listener).map(({ filter }) => filter);
}

/** All chains, the default one last. */
export function filterChainsOf({ filterChains, defaultFilterChain }: Listener): FilterChain[] {
  return [...filterChains, ...(defaultFilterChain === undefined ? [] : [defaultFilterChain])];
}
