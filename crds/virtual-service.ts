/** VirtualService: how requests for a host are routed. Source: istio/api networking/v1alpha3/virtual_service.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

const stringMatch = s.message({ exact: s.string, prefix: s.string, regex: s.string });

const destination = s.record({
  host: s.string,
  subset: s.optional(s.string),
  port: s.optional(s.portSelector),
});

const headerOperations = s.message({ set: s.stringMap, add: s.stringMap, remove: s.strings });
const headers = s.message({ request: headerOperations, response: headerOperations });

export const httpMatchRequest = s.message({
  name: s.string,
  uri: stringMatch,
  scheme: stringMatch,
  method: stringMatch,
  authority: stringMatch,
  headers: s.mapOf(stringMatch),
  port: s.portOrZero,
  sourceLabels: s.stringMap,
  gateways: s.strings,
  queryParams: s.mapOf(stringMatch),
  ignoreUriCase: s.boolean,
  withoutHeaders: s.mapOf(stringMatch),
  sourceNamespace: s.string,
  statPrefix: s.string,
});

const httpRouteDestination = s.record({
  destination,
  weight: s.optional(s.count),
  headers: s.optional(headers),
});

const httpRedirect = s.message({
  uri: s.string,
  authority: s.string,
  port: s.portOrZero,
  derivePort: s.oneOf('FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'),
  scheme: s.string,
  redirectCode: s.uint32,
  prefixRewrite: s.string,
});

const httpDirectResponse = s.record({
  status: s.uint32,
  body: s.optional(s.message({ string: s.string, bytes: s.string })),
});

const httpRewrite = s.message({
  uri: s.string,
  authority: s.string,
  uriRegexRewrite: s.message({ match: s.string, rewrite: s.string }),
});

export const httpRetry = s.message({
  attempts: s.count,
  perTryTimeout: s.duration,
  retryOn: s.string,
  retryRemoteLocalities: s.boolean,
  retryIgnorePreviousHosts: s.boolean,
  backoff: s.duration,
});

const httpFaultInjection = s.message({
  delay: s.message({
    percent: s.percentInteger,
    fixedDelay: s.duration,
    exponentialDelay: s.duration,
    percentage: s.percent,
  }),
  abort: s.message({ httpStatus: s.count, grpcStatus: s.string, http2Error: s.string, percentage: s.percent }),
});

const corsPolicy = s.message({
  allowOrigin: s.strings,
  allowOrigins: s.listOf(stringMatch),
  allowMethods: s.strings,
  allowHeaders: s.strings,
  exposeHeaders: s.strings,
  maxAge: s.duration,
  allowCredentials: s.boolean,
  unmatchedPreflights: s.oneOf('UNSPECIFIED', 'FORWARD', 'IGNORE'),
});

const httpRoute = s.message({
  name: s.string,
  match: s.listOf(httpMatchRequest),
  route: s.listOf(httpRouteDestination),
  redirect: httpRedirect,
  directResponse: httpDirectResponse,
  delegate: s.message({ name: s.string, namespace: s.string }),
  rewrite: httpRewrite,
  timeout: s.duration,
  retries: httpRetry,
  fault: httpFaultInjection,
  mirror: destination,
  mirrors: s.listOf(s.record({ destination, percentage: s.optional(s.percent) })),
  mirrorPercent: s.percentInteger,
  mirrorPercentage: s.percent,
  corsPolicy,
  headers,
});

const routeDestination = s.record({ destination, weight: s.optional(s.count) });

const l4MatchAttributes = s.message({
  destinationSubnets: s.strings,
  port: s.portOrZero,
  sourceSubnet: s.string,
  sourceLabels: s.stringMap,
  gateways: s.strings,
  sourceNamespace: s.string,
});

const tlsMatchAttributes = s.message({
  sniHosts: s.strings,
  destinationSubnets: s.strings,
  port: s.portOrZero,
  sourceLabels: s.stringMap,
  gateways: s.strings,
  sourceNamespace: s.string,
});

const tlsRoute = s.message({ match: s.listOf(tlsMatchAttributes), route: s.listOf(routeDestination) });
const tcpRoute = s.message({ match: s.listOf(l4MatchAttributes), route: s.listOf(routeDestination) });

export const virtualServiceSchema = Type.Partial(
  Type.Object({
    hosts: s.strings,
    gateways: s.strings,
    http: s.listOf(httpRoute),
    tls: s.listOf(tlsRoute),
    tcp: s.listOf(tcpRoute),
    exportTo: s.exportTo,
  }),
  { additionalProperties: false, description: 'How requests for a set of hosts are routed.' },
);

export type VirtualServiceSpec = Static<typeof virtualServiceSchema>;
export type HTTPRoute = Static<typeof httpRoute>;
export type HTTPMatchRequest = Static<typeof httpMatchRequest>;
export type HTTPRouteDestination = Static<typeof httpRouteDestination>;
export type RouteDestination = Static<typeof routeDestination>;
export type TLSRoute = Static<typeof tlsRoute>;
export type TCPRoute = Static<typeof tcpRoute>;
export type L4MatchAttributes = Static<typeof l4MatchAttributes>;
export type Destination = Static<typeof destination>;
export type StringMatch = Static<typeof stringMatch>;
export type Headers = Static<typeof headers>;
