/**
 * What is valid Istio but not yet in force in this version of the mesh. A field that would be ignored is an error, so that
 * nobody believes in a rule that does nothing.
 */
import type { FieldError } from '../proxy/common/decoded.ts';
import { childPath, show } from './findings.ts';
import type { ServerTlsSettings } from './gateway.ts';
import { loadBalancerFaults } from './load-balancer-support.ts';
import { unsupportedMetrics } from './metrics-overrides.ts';
import { isIpAddress } from './names.ts';
import { clientTlsFaults } from './tls-support.ts';
import type { ClientTLSSettings, LoadBalancerSettings, TrafficPolicy } from './traffic-policy.ts';
import {
  filesBesideCredential,
  unsupportedCipherSuite,
  unsupportedCredentialName,
  unsupportedServerProtocol,
} from './unsupported-gateway.ts';
import {
  unsupportedHeaderRemoval,
  unsupportedTunnel,
  unsupportedHeaderValues,
  unsupportedRegexRewrite,
  unsupportedTarget,
} from './unsupported-http.ts';

/**
 * The supported part of a value: `true` for all of it, a record for an object with these fields only, a function for a
 * test of the value that returns the fault. Lists are looked through: the part describes each item.
 */
type Supported = true | { readonly [field: string]: Supported } | ((value: unknown, path: string) => FieldError[]);

const notYet = 'is not supported yet';

/** Only these values are in force. */
function only(...values: readonly unknown[]): Supported {
  return (value, path) => {
    if (values.includes(value)) return [];
    return [{ path, message: `${show(value)} ${notYet}, only ${values.map(show).join(', ')}` }];
  };
}

const literalAddress: Supported = (value, path) =>
  typeof value === 'string' && isIpAddress(value)
    ? []
    : [{ path, message: `${show(value)} ${notYet}, only an IP address` }];

/** Where a name is looked up, or would have been refused before. */
const networkAddress: Supported = (value, path) =>
  typeof value === 'string' && value.startsWith('unix://')
    ? [{ path, message: `${show(value)} ${notYet}, only an IP address or a host name` }]
    : [];

const portNumber: Supported = (value, path) =>
  typeof value === 'number' ? [] : [{ path, message: `${show(value)} ${notYet}, only a port number` }];

const stringMatch: Supported = { exact: true, prefix: true, regex: true };

/** What HTTP/2 has among its headers every request has: in HTTP/1.1 in its start line and its Host. */
const pseudoHeaders: readonly string[] = [':method', ':scheme', ':authority', ':path'];

/** Istio ignores the names of other conditions among headers. */
const headerMatches: Supported = (value, path) =>
  entriesOf(value).flatMap(([name, match]) => {
    const at = childPath(path, name);
    if (['uri', 'scheme', 'method', 'authority'].includes(name)) {
      return [{ path: at, message: `is not matched among headers: Istio ignores this name` }];
    }
    const isUnknown = name.startsWith(':') && !pseudoHeaders.includes(name);
    return isUnknown ? [{ path: at, message: notYet }] : unsupportedIn(match, stringMatch, at);
  });

const headerOperations: Supported = {
  set: unsupportedHeaderValues,
  add: unsupportedHeaderValues,
  remove: unsupportedHeaderRemoval,
};
const headerRules: Supported = { request: headerOperations, response: headerOperations };

/** Linux counts no further (`MAX_TCP_KEEPCNT`), and Envoy would fail every connection. */
const keepaliveProbes: Supported = (value, path) =>
  Number(value) > 127 ? [{ path, message: `${show(value)} ${notYet}, only up to 127` }] : [];

const connectionPool: Supported = {
  tcp: {
    maxConnections: true,
    connectTimeout: true,
    maxConnectionDuration: true,
    idleTimeout: true,
    tcpKeepalive: { time: true, interval: true, probes: keepaliveProbes },
  },
  http: {
    http1MaxPendingRequests: true,
    http2MaxRequests: true,
    maxRequestsPerConnection: true,
    maxRetries: true,
    idleTimeout: true,
    h2UpgradePolicy: true,
    useClientProtocol: true,
    maxConcurrentStreams: true,
    http2KeepAlive: true,
  },
};

const loadBalancer: Supported = {
  simple: true,
  consistentHash: true,
  warmup: true,
  warmupDurationSecs: true,
  localityLbSetting: true,
  zoneAwareLbSetting: true,
};

/** ISTIO_MUTUAL needs an authority of the mesh, and `credentialName` secrets that the control plane hands out. */
const clientTls: Supported = {
  mode: only('DISABLE', 'SIMPLE', 'MUTUAL'),
  clientCertificate: true,
  privateKey: true,
  caCertificates: true,
  caCrl: true,
  subjectAltNames: true,
  sni: true,
  insecureSkipVerify: true,
};

/** What a policy, a subset's and a port's have in common. */
const policyBlocks = {
  loadBalancer: (value: unknown, path: string) => [
    ...unsupportedIn(value, loadBalancer, path),
    ...loadBalancerFaults(value as LoadBalancerSettings, path),
  ],
  connectionPool,
  outlierDetection: {
    consecutive5xxErrors: true,
    consecutiveGatewayErrors: true,
    splitExternalLocalOriginErrors: true,
    consecutiveLocalOriginFailures: true,
    interval: true,
    baseEjectionTime: true,
    maxEjectionPercent: true,
    minHealthPercent: true,
    outlierDetectionHttpErrorCodes: true,
  },
  tls: (value: unknown, path: string) => {
    const unsupported = unsupportedIn(value, clientTls, path);
    return unsupported.length > 0 ? unsupported : clientTlsFaults(value as ClientTLSSettings, path);
  },
} satisfies Supported;

const policyFields: Supported = {
  ...policyBlocks,
  portLevelSettings: { port: true, ...policyBlocks },
  retryBudget: { percent: true, minRetryConcurrency: true, budgetInterval: only('0s') },
  proxyProtocol: true,
  tunnel: true,
};

const trafficPolicy: Supported = (value, path) => [
  ...unsupportedIn(value, policyFields, path),
  ...unsupportedTunnel(value as TrafficPolicy, path),
];

/** Istio reads three parts and drops the rest. */
const locality: Supported = (value, path) =>
  /^[^/*]+(\/[^/*]+){0,2}$/.test(String(value)) || value === ''
    ? []
    : [{ path, message: `must be region/zone/subzone, shortened from the right, got ${show(value)}` }];

const workload = { address: literalAddress, ports: true, labels: true, weight: true, locality } satisfies Supported;

const l4Match = {
  destinationSubnets: true,
  port: true,
  sourceLabels: true,
  sourceNamespace: true,
  gateways: true,
} satisfies Supported;

/** Clients are told apart by whole labels of the name that they ask for. */
const serverName: Supported = (value, path) =>
  /^\*[^.]/.test(String(value)) ? [{ path, message: `${show(value)} ${notYet}, only "*." and a domain` }] : [];

const l4Destination: Supported = { destination: true, weight: true };
const serverTls: Supported = {
  httpsRedirect: true,
  mode: only('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL'),
  serverCertificate: true,
  privateKey: true,
  caCertificates: true,
  credentialName: unsupportedCredentialName,
  credentialNames: unsupportedCredentialName,
  tlsCertificates: { serverCertificate: true, privateKey: true },
  subjectAltNames: true,
  minProtocolVersion: true,
  maxProtocolVersion: true,
  cipherSuites: unsupportedCipherSuite,
};

const gateway: Supported = {
  selector: true,
  servers: {
    name: true,
    bind: literalAddress,
    hosts: true,
    port: { number: true, name: true, protocol: unsupportedServerProtocol },
    tls: (value, path) => [
      ...unsupportedIn(value, serverTls, path),
      ...filesBesideCredential(value as ServerTlsSettings, path),
    ],
  },
};

const supported: Readonly<Record<string, Supported>> = {
  VirtualService: {
    hosts: true,
    gateways: true,
    exportTo: true,
    tls: { match: { sniHosts: serverName, ...l4Match }, route: l4Destination },
    tcp: { match: l4Match, route: l4Destination },
    http: {
      name: true,
      match: {
        name: true,
        uri: stringMatch,
        ignoreUriCase: true,
        headers: headerMatches,
        withoutHeaders: headerMatches,
        scheme: stringMatch,
        method: stringMatch,
        authority: stringMatch,
        queryParams: (value, path) =>
          entriesOf(value).flatMap(([name, match]) => unsupportedIn(match, stringMatch, childPath(path, name))),
        port: true,
        statPrefix: true,
        sourceLabels: true,
        sourceNamespace: true,
        gateways: true,
      },
      fault: {
        delay: { fixedDelay: true, percent: true, percentage: true },
        abort: { httpStatus: true, grpcStatus: true, percentage: true },
      },
      corsPolicy: {
        allowOrigins: stringMatch,
        allowMethods: true,
        allowHeaders: true,
        exposeHeaders: true,
        maxAge: true,
        allowCredentials: true,
        unmatchedPreflights: true,
      },
      mirror: true,
      mirrors: true,
      mirrorPercent: true,
      mirrorPercentage: true,
      route: { destination: true, weight: true, headers: headerRules },
      headers: headerRules,
      redirect: {
        uri: unsupportedTarget,
        prefixRewrite: unsupportedTarget,
        authority: unsupportedTarget,
        port: true,
        derivePort: true,
        scheme: true,
        redirectCode: only(301, 302, 303, 307, 308),
      },
      directResponse: true,
      delegate: true,
      rewrite: { uri: unsupportedTarget, authority: unsupportedTarget, uriRegexRewrite: unsupportedRegexRewrite },
      timeout: true,
      retries: {
        attempts: true,
        perTryTimeout: true,
        retryOn: true,
        retryIgnorePreviousHosts: true,
        backoff: true,
        retryRemoteLocalities: true,
      },
    },
  },
  DestinationRule: {
    host: true,
    exportTo: true,
    workloadSelector: true,
    trafficPolicy,
    subsets: { name: true, labels: true, trafficPolicy },
  },
  ServiceEntry: {
    hosts: true,
    addresses: true,
    exportTo: true,
    ports: true,
    location: true,
    resolution: true,
    endpoints: { ...workload, address: networkAddress },
    workloadSelector: true,
  },
  Gateway: gateway,
  Sidecar: true,
  WorkloadEntry: workload,
  RateLimit: true,
  CheckRule: true,
  Canary: true,
  Telemetry: { selector: true, accessLogging: true, metrics: unsupportedMetrics },
  Service: {
    ports: { port: true, name: true, protocol: only('TCP'), appProtocol: true, targetPort: portNumber },
    selector: true,
    type: only('ClusterIP'),
    clusterIP: true,
    clusterIPs: true,
    // What a cluster fills in by itself: the defaults change nothing.
    internalTrafficPolicy: only('Cluster'),
    sessionAffinity: only('None'),
    ipFamilies: only('IPv4'),
    ipFamilyPolicy: only('SingleStack'),
  },
};

/** Every field of `spec` that would be ignored. `spec` has passed the kind's own validation. */
export function unsupportedFields(kind: string, spec: unknown): FieldError[] {
  const part = supported[kind];
  if (part === undefined) return [{ path: 'kind', message: `${show(kind)} ${notYet}` }];
  return [...unsupportedIn(spec, part, 'spec'), ...unsupportedDefaults(kind, spec)];
}

function unsupportedIn(value: unknown, part: Supported, path: string): FieldError[] {
  if (part === true) return [];
  if (Array.isArray(value)) return value.flatMap((item, index) => unsupportedIn(item, part, `${path}[${index}]`));
  if (typeof part === 'function') return part(value, path);
  return entriesOf(value).flatMap(([field, child]) => {
    const at = childPath(path, field);
    const childPart = Object.hasOwn(part, field) ? part[field] : undefined;
    if (childPart !== undefined) return unsupportedIn(child, childPart, at);
    // Protobuf does not tell an empty list or text from none.
    const isAbsent = child === '' || (Array.isArray(child) && child.length === 0);
    return isAbsent ? [] : [{ path: at, message: notYet }];
  });
}

/** Fields whose absence has a meaning that is not in force. */
function unsupportedDefaults(kind: string, spec: unknown): FieldError[] {
  const fields = new Map(entriesOf(spec));
  if (kind === 'ServiceEntry' && fields.has('workloadSelector') && fields.get('resolution') !== 'STATIC') {
    return [{ path: 'spec.workloadSelector', message: `${notYet}, only with resolution STATIC` }];
  }
  if (kind === 'WorkloadEntry' && !fields.has('address')) {
    return [{ path: 'spec.address', message: `is required: a workload behind a network's gateway ${notYet}` }];
  }
  return [];
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
