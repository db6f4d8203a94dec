/** Decodes `envoy.config.cluster.v3.Cluster`. */
import type { Decoded } from '../common/decoded.ts';
import type { Cluster } from './cluster.ts';
import { requireAds } from './config-source-decoder.ts';
import { readClusterLoadAssignment } from './endpoint-decoder.ts';
import type {
  Cluster as ClusterJson,
  envoy_config_core_v3_HttpProtocolOptions as CommonHttpProtocolOptionsJson,
  envoy_extensions_upstreams_http_v3_HttpProtocolOptions as HttpProtocolOptionsJson,
} from './envoy.gen.ts';
import { decodeFields, type Fields } from './fields.ts';
import { decodeService } from './istio-metadata.ts';

/** A cluster from CDS. Those are for requests, and requests go upstream as HTTP/1.1. */
export function decodeCluster(json: ClusterJson): Decoded<Cluster> {
  return decodeFields(json, '', (fields) => {
    const cluster = readCluster(fields);
    if (cluster.protocol === 'http2')
      fields.failHere('must speak HTTP/1.1: HTTP/2 is for gRPC services of the bootstrap');
    return cluster;
  });
}

/** Any cluster: the bootstrap also has those behind gRPC services, which speak HTTP/2. */
export function readCluster(fields: Fields<ClusterJson>): Cluster {
  fields.ignore('alt_stat_name');
  const name = fields.name('name');
  checkLoadBalancing(fields);
  return {
    name,
    discovery: readDiscovery(fields, name),
    lbPolicy: fields.choice('lb_policy', ['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM']),
    connectTimeoutMs: readConnectTimeout(fields),
    ...readProtocol(fields),
    service: decodeService(fields.message('metadata')),
  };
}

function readDiscovery(fields: Fields<ClusterJson>, clusterName: string): Cluster['discovery'] {
  if (fields.choice('type', ['STATIC', 'EDS']) === 'STATIC') {
    return { kind: 'static', assignment: readClusterLoadAssignment(fields.required('load_assignment')) };
  }
  const eds = fields.required('eds_cluster_config');
  requireAds(eds.required('eds_config'));
  return { kind: 'eds', serviceName: eds.text('service_name') || clusterName };
}

/** Two things may be said about load balancing that Heddle does anyway: two choices, and no panic mode. */
function checkLoadBalancing(fields: Fields<ClusterJson>): void {
  fields.message('least_request_lb_config')?.only('choice_count', 2);
  const panic = fields.message('common_lb_config')?.message('healthy_panic_threshold');
  panic?.only('value', 0);
}

function readConnectTimeout(fields: Fields<ClusterJson>): number {
  const ms = fields.durationMs('connect_timeout', 5_000);
  if (ms === 0) fields.fail('connect_timeout', 'must be more than 0s');
  return ms;
}

const protocolOptionsName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

type Protocol = Pick<Cluster, 'protocol' | 'idleTimeoutMs'>;

/** Envoy's default: HTTP/1.1, idle connections closed after an hour. */
const defaultIdleTimeoutMs = 3_600_000;

function readProtocol(fields: Fields<ClusterJson>): Protocol {
  const extensions = fields.message('typed_extension_protocol_options');
  if (extensions !== undefined && extensions.has(protocolOptionsName)) {
    const options = extensions.typed(protocolOptionsName, { [protocolOptionsName]: readProtocolOptions });
    return options ?? { protocol: 'http1', idleTimeoutMs: defaultIdleTimeoutMs };
  }
  // The older spelling of the same, which Envoy still reads.
  const protocol = fields.message('http2_protocol_options') === undefined ? 'http1' : 'http2';
  return { protocol, idleTimeoutMs: readIdleTimeout(fields.message('common_http_protocol_options')) };
}

function readProtocolOptions(fields: Fields<HttpProtocolOptionsJson>): Protocol {
  const explicit = fields.required('explicit_http_config');
  const isHttp2 = explicit.message('http2_protocol_options') !== undefined;
  explicit.message('http_protocol_options');
  return {
    protocol: isHttp2 ? 'http2' : 'http1',
    idleTimeoutMs: readIdleTimeout(fields.message('common_http_protocol_options')),
  };
}

function readIdleTimeout(common: Fields<CommonHttpProtocolOptionsJson> | undefined): number {
  return common?.durationMs('idle_timeout', defaultIdleTimeoutMs) ?? defaultIdleTimeoutMs;
}
