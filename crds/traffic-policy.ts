/** TrafficPolicy, used by a DestinationRule, its subsets and its ports. Source: istio/api destination_rule.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

export const localityLbSetting = s.message({
  distribute: s.listOf(s.message({ from: s.string, to: s.mapOf(s.uint32) })),
  failover: s.listOf(s.message({ from: s.string, to: s.string })),
  failoverPriority: s.strings,
  enabled: s.boolean,
});

const zoneAwareLbSetting = s.message({
  enabled: s.boolean,
  failover: s.listOf(s.message({ from: s.string, to: s.string })),
  failoverPriority: s.strings,
  minClusterSize: s.uint64,
});

const consistentHash = s.message({
  httpHeaderName: s.string,
  httpCookie: s.record({
    name: s.string,
    path: s.optional(s.string),
    ttl: s.optional(s.duration),
    attributes: s.optional(s.listOf(s.record({ name: s.string, value: s.optional(s.string) }))),
  }),
  useSourceIp: s.boolean,
  httpQueryParameterName: s.string,
  ringHash: s.message({ minimumRingSize: s.uint64 }),
  maglev: s.message({ tableSize: s.uint64 }),
  minimumRingSize: s.uint64,
});

const loadBalancer = s.message({
  simple: s.oneOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'),
  consistentHash,
  localityLbSetting,
  zoneAwareLbSetting,
  warmupDurationSecs: s.duration,
  warmup: s.record({
    duration: s.duration,
    minimumPercent: s.optional(Type.Number({ minimum: 0, maximum: 100 })),
    aggression: s.optional(Type.Number({ exclusiveMinimum: 0 })),
  }),
});

const connectionPool = s.message({
  tcp: s.message({
    maxConnections: s.count,
    connectTimeout: s.duration,
    tcpKeepalive: s.message({ probes: s.uint32, time: s.duration, interval: s.duration }),
    maxConnectionDuration: s.duration,
    idleTimeout: s.duration,
  }),
  http: s.message({
    http1MaxPendingRequests: s.count,
    http2MaxRequests: s.count,
    maxRequestsPerConnection: s.count,
    maxRetries: s.count,
    idleTimeout: s.duration,
    h2UpgradePolicy: s.oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
    useClientProtocol: s.boolean,
    maxConcurrentStreams: s.count,
    http2KeepAlive: s.record({ interval: s.duration, timeout: s.duration }),
  }),
});

const outlierDetection = s.message({
  consecutiveErrors: s.count,
  splitExternalLocalOriginErrors: s.boolean,
  consecutiveLocalOriginFailures: s.uint32,
  consecutiveGatewayErrors: s.uint32,
  consecutive5xxErrors: s.uint32,
  interval: s.duration,
  baseEjectionTime: s.duration,
  maxEjectionPercent: s.percentInteger,
  minHealthPercent: s.percentInteger,
  outlierDetectionHttpErrorCodes: s.listOf(s.uint32),
});

const tls = s.message({
  mode: s.oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
  clientCertificate: s.string,
  privateKey: s.string,
  caCertificates: s.string,
  credentialName: s.string,
  subjectAltNames: s.strings,
  sni: s.string,
  insecureSkipVerify: s.boolean,
  caCrl: s.string,
});

const portTrafficPolicy = s.record({
  port: s.portSelector,
  loadBalancer: s.optional(loadBalancer),
  connectionPool: s.optional(connectionPool),
  outlierDetection: s.optional(outlierDetection),
  tls: s.optional(tls),
});

export const trafficPolicySchema = s.message({
  loadBalancer,
  connectionPool,
  outlierDetection,
  tls,
  portLevelSettings: s.listOf(portTrafficPolicy),
  tunnel: s.record({ protocol: s.optional(s.string), targetHost: s.string, targetPort: s.port }),
  proxyProtocol: s.message({ version: s.oneOf('V1', 'V2') }),
  retryBudget: s.message({
    percent: Type.Number({ minimum: 0, maximum: 100 }),
    minRetryConcurrency: s.uint32,
    budgetInterval: s.duration,
  }),
});

export type TrafficPolicy = Static<typeof trafficPolicySchema>;
export type PortTrafficPolicy = Static<typeof portTrafficPolicy>;
export type LoadBalancerSettings = Static<typeof loadBalancer>;
export type ConsistentHash = Static<typeof consistentHash>;
export type LocalityLbSetting = Static<typeof localityLbSetting>;
export type ZoneAwareLbSetting = Static<typeof zoneAwareLbSetting>;
export type ConnectionPoolSettings = Static<typeof connectionPool>;
export type OutlierDetection = Static<typeof outlierDetection>;
export type ClientTLSSettings = Static<typeof tls>;
