/** Tracing of an HTTP connection manager and of a route, decoded from Envoy's messages, defaults filled in. */

/** Shares of the requests, each from 0 to 1. */
export interface Sampling {
  /** Of those that carry `x-client-trace-id`; Envoy's default is all. */
  readonly client: number;
  /** Of those about which nobody has decided yet; Envoy's default is all. */
  readonly random: number;
  /** Of those that the two above, or `x-envoy-force-trace`, choose; Envoy's default is all. */
  readonly overall: number;
}

/** `HttpConnectionManager.Tracing`. */
export interface Tracing {
  readonly sampling: Sampling;
  readonly customTags: readonly CustomTag[];
  /** Characters of the path in `http.url`; Envoy's default is 256. */
  readonly maxPathTagLength: number;
  readonly provider: OpenTelemetryProvider;
}

/** `envoy.config.route.v3.Tracing`: replaces what the connection manager says about sampling and adds tags. */
export interface RouteTracing {
  readonly sampling: Sampling;
  readonly customTags: readonly CustomTag[];
}

/** `envoy.config.route.v3.Decorator`: what the spans of the route's requests are called. */
export interface Decorator {
  readonly operation: string;
  /** Default true: the next hop is told, in `x-envoy-decorator-operation`. */
  readonly isPropagated: boolean;
}

export type CustomTag =
  | { readonly kind: 'literal'; readonly tag: string; readonly value: string }
  | { readonly kind: 'environment'; readonly tag: string; readonly name: string; readonly defaultValue: string }
  /** `name` in lower case. */
  | { readonly kind: 'request_header'; readonly tag: string; readonly name: string; readonly defaultValue: string };

/** `envoy.config.trace.v3.OpenTelemetryConfig` that exports with OTLP/HTTP. */
export interface OpenTelemetryProvider {
  readonly serviceName: string;
  readonly clusterName: string;
  /** Host header and path of the exports. */
  readonly authority: string;
  readonly path: string;
  readonly timeoutMs: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}
