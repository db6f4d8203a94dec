/** Decodes `envoy.config.cluster.v3.Cluster`. */
import type { Decoded } from '../common/decoded.ts';
import type { ConnectionLifetime } from './circuit-breakers.ts';
import { readCircuitBreakers } from './circuit-breakers-decoder.ts';
import type { Cluster } from './cluster.ts';
import { readConnectionLifetime, readTcpKeepalive } from './connection-options-decoder.ts';
import type { OutlierDetection } from './outlier-detection.ts';
import { requireAds } from './config-source-decoder.ts';
import { readClusterDns, readDnsCacheConfig } from './dns-decoder.ts';
import { readClusterLoadAssignment } from './endpoint-decoder.ts';
import type {
  Cluster as ClusterJson,
  Cluster_CustomClusterType as CustomClusterTypeJson,
  envoy_extensions_upstreams_http_v3_HttpProtocolOptions as HttpProtocolOptionsJson,
} from './envoy.gen.ts';
import { readErrorStatuses } from './error-matcher-decoder.ts';
import { decodeFields, type Fields } from './fields.ts';
import { readHealthCheck } from './health-check-decoder.ts';
import { defaultHttp2Options } from './http2-options.ts';
import { readHttp2Options } from './http2-options-decoder.ts';
import { decodeService } from './istio-metadata.ts';
import { readOutlierDetection } from './outlier-detection-decoder.ts';
import { readBalancing } from './load-balancing-decoder.ts';
import { readSourceAddresses } from './source-addresses-decoder.ts';
import { readUpstreamTransport } from './transport-socket-decoder.ts';

/** A cluster from CDS. */
export function decodeCluster(json: ClusterJson): Decoded<Cluster> {
  return decodeFields(json, '', readCluster);
}

export function readCluster(fields: Fields<ClusterJson>): Cluster {
  fields.ignore('alt_stat_name');
  const name = fields.name('name');
  const outlierDetection = fields.message('outlier_detection');
  const { errorStatuses, ...protocol } = readProtocol(fields);
  const discovery = readDiscovery(fields, name);
  const transport = readUpstreamTransport(fields.message('transport_socket'));
  if (transport.tls !== undefined && discovery.kind === 'dynamic_forward_proxy') {
    fields.fail('transport_socket', 'TLS is not supported where requests name the host: Envoy wants auto_sni there');
  }
  return {
    name,
    discovery,
    ...readBalancing(fields, discovery.kind === 'dynamic_forward_proxy' || discovery.kind === 'original_dst'),
    connectTimeoutMs: readConnectTimeout(fields),
    ...protocol,
    ...transport,
    sourceAddresses: readSourceAddresses(fields.message('upstream_bind_config')),
    circuitBreakers: readCircuitBreakers(fields.message('circuit_breakers')),
    outlierDetection: outlierDetection && { ...readOutlierDetection(outlierDetection), errorStatuses },
    healthCheck: readHealthCheck(fields, name),
    tcpKeepalive: readTcpKeepalive(fields.message('upstream_connection_options')),
    service: decodeService(fields.message('metadata')),
  };
}

function readDiscovery(fields: Fields<ClusterJson>, clusterName: string): Cluster['discovery'] {
  const custom = fields.message('cluster_type');
  if (custom !== undefined) return readCustomType(custom);
  const type = fields.choice('type', ['STATIC', 'EDS', 'STRICT_DNS', 'LOGICAL_DNS', 'ORIGINAL_DST']);
  if (type === 'STATIC') {
    return { kind: 'static', assignment: readClusterLoadAssignment(fields.required('load_assignment')) };
  }
  if (type === 'ORIGINAL_DST') return { kind: 'original_dst', ...readOriginalDestination(fields) };
  if (type !== 'EDS') return readDns(fields, type === 'LOGICAL_DNS');
  const eds = fields.required('eds_cluster_config');
  requireAds(eds.required('eds_config'));
  return { kind: 'eds', serviceName: eds.text('service_name') || clusterName };
}

/** Where the connection itself wanted to go; nothing of a request decides it. */
function readOriginalDestination(fields: Fields<ClusterJson>): { port: number | undefined; cleanupIntervalMs: number } {
  const config = fields.message('original_dst_lb_config');
  config?.only('use_http_header', false);
  const hasPort = config?.has('upstream_port_override') === true;
  return {
    port: hasPort ? config.number('upstream_port_override', { defaultValue: 0, min: 1, max: 65_535 }) : undefined,
    cleanupIntervalMs: fields.durationMs('cleanup_interval', 5_000),
  };
}

function readDns(fields: Fields<ClusterJson>, isLogical: boolean): Cluster['discovery'] {
  const assignment = readClusterLoadAssignment(fields.required('load_assignment'), { mayBeNames: true });
  const { length } = assignment.endpoints;
  if (isLogical && length !== 1) fields.fail('load_assignment', `must have one endpoint in LOGICAL_DNS, got ${length}`);
  return { kind: 'dns', isLogical, assignment, policy: readClusterDns(fields) };
}

/** The type decides what it is, as in Envoy; the name is for people. */
function readCustomType(fields: Fields<CustomClusterTypeJson>): Cluster['discovery'] {
  fields.ignore('name');
  const cache = fields.typed('typed_config', {
    'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig': (config) => {
      // Is about TLS, which such a cluster cannot have here.
      config.ignore('allow_insecure_cluster_options');
      return readDnsCacheConfig(config.required('dns_cache_config'));
    },
  });
  // What stands in after a fault is never used.
  return cache === undefined ? { kind: 'eds', serviceName: '' } : { kind: 'dynamic_forward_proxy', cache };
}

function readConnectTimeout(fields: Fields<ClusterJson>): number {
  const ms = fields.durationMs('connect_timeout', 5_000);
  if (ms === 0) fields.fail('connect_timeout', 'must be more than 0s');
  return ms;
}

const protocolOptionsName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

type Versions = Pick<Cluster, 'protocol' | 'http2'>;
type Protocol = Versions & ConnectionLifetime & Pick<OutlierDetection, 'errorStatuses'>;

const http1: Versions = { protocol: 'http1', http2: defaultHttp2Options };

function readProtocol(fields: Fields<ClusterJson>): Protocol {
  const older = fields.number('max_requests_per_connection', { defaultValue: 0 });
  const extensions = fields.message('typed_extension_protocol_options');
  if (extensions !== undefined && extensions.has(protocolOptionsName)) {
    const options = extensions.typed(protocolOptionsName, {
      [protocolOptionsName]: (typed) => readProtocolOptions(typed, older),
    });
    return options ?? { ...http1, errorStatuses: undefined, ...readConnectionLifetime(undefined, older) };
  }
  // The older spelling of the same, which Envoy still reads.
  const http2 = fields.message('http2_protocol_options');
  return {
    protocol: http2 === undefined ? 'http1' : 'http2',
    http2: readHttp2Options(http2),
    errorStatuses: undefined,
    ...readConnectionLifetime(fields.message('common_http_protocol_options'), older),
  };
}

function readProtocolOptions(fields: Fields<HttpProtocolOptionsJson>, maxRequestsPerConnection: number): Protocol {
  return {
    ...readVersions(fields),
    errorStatuses: readErrorStatuses(fields.message('outlier_detection')),
    ...readConnectionLifetime(fields.message('common_http_protocol_options'), maxRequestsPerConnection),
  };
}

/** `auto_config` lets the host choose in the handshake; it stays untaken, and so is refused by its name. */
function readVersions(fields: Fields<HttpProtocolOptionsJson>): Versions {
  const downstream = fields.message('use_downstream_protocol_config');
  if (downstream !== undefined) {
    downstream.message('http_protocol_options');
    return { protocol: 'downstream', http2: readHttp2Options(downstream.message('http2_protocol_options')) };
  }
  if (fields.has('auto_config')) return http1;
  const explicit = fields.required('explicit_http_config');
  explicit.message('http_protocol_options');
  const http2 = explicit.message('http2_protocol_options');
  return http2 === undefined ? http1 : { protocol: 'http2', http2: readHttp2Options(http2) };
}
