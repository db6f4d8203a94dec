import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { decodeClusterLoadAssignment } from '../../../proxy/api/endpoint-decoder.ts';
import type { Cluster, ClusterLoadAssignment, LbEndpoint } from '../../../proxy/api/envoy.gen.ts';
import { defaultHttp2Options } from '../../../proxy/api/http2-options.ts';
import { serviceMetadata, workloadMetadata } from '../../../proxy/api/istio-metadata.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { assignmentJson, edsClusterJson, staticClusterJson, typed } from './samples.ts';

function decode(json: Cluster) {
  return decodeCluster(requireValue(readJson('envoy.config.cluster.v3.Cluster', json), 'sample'));
}

function faults(json: Cluster): string {
  return formatFieldErrors(decode(json).errors ?? []);
}

/** With Envoy's newer spelling of what is spoken. */
function withProtocol(options: object): Cluster {
  const name = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const typed_extension_protocol_options = { [name]: typed(name, requireValue(readJson(name, options), 'sample')) };
  return { ...edsClusterJson('a'), typed_extension_protocol_options };
}

const protocolPath = 'typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]';

describe('a cluster', () => {
  test('has the defaults of Envoy', () => {
    const locality = { region: '', zone: '', subZone: '', weight: 0 };
    const place = { locality, priority: 0 };
    expect(decode(staticClusterJson('a', 8080))).toMatchObject({
      value: {
        name: 'a',
        discovery: {
          kind: 'static',
          assignment: {
            clusterName: 'a',
            endpoints: [
              { address: '127.0.0.1', port: 8080, isHealthy: true, weight: 1, ...place, workload: undefined },
            ],
            overprovisioningFactor: 140,
          },
        },
        lbPolicy: 'ROUND_ROBIN',
        connectTimeoutMs: 5_000,
        protocol: 'http1',
        http2: defaultHttp2Options,
        idleTimeoutMs: 3_600_000,
        service: undefined,
      },
    });
  });

  test('may have the PROXY protocol around its transport socket, of which nothing else is supported', () => {
    const socket = (json: object): Cluster => {
      const type = 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';
      const typed_config = typed(type, requireValue(readJson(type, json), 'sample'));
      return { ...staticClusterJson('a', 80), transport_socket: { name: 'proxy', typed_config } };
    };
    const raw = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';
    const transport_socket = { name: 'raw', typed_config: typed(raw, {}) };
    expect(decode(socket({ transport_socket })).value).toMatchObject({ proxyProtocol: 'V1', tls: undefined });
    expect(decode(socket({ config: { version: 'V2' }, transport_socket })).value?.proxyProtocol).toBe('V2');
    expect(decode(staticClusterJson('a', 80)).value?.proxyProtocol).toBeUndefined();
    expect(faults(socket({}))).toContain('transport_socket: must be set');
    expect(faults(socket({ config: { pass_through_tlvs: {} }, transport_socket }))).toBe(
      'transport_socket.typed_config.config.pass_through_tlvs: is not supported',
    );
  });

  test('of type EDS is known there by its own name or by another', () => {
    expect(decode(edsClusterJson('a')).value?.discovery).toEqual({ kind: 'eds', serviceName: 'a' });
    expect(decode(edsClusterJson('a', 'b')).value?.discovery).toEqual({ kind: 'eds', serviceName: 'b' });
  });

  test.each(['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM', 'RING_HASH', 'MAGLEV'] as const)(
    'may balance by %s',
    (lb_policy) => {
      expect(decode({ ...staticClusterJson('a', 1), lb_policy }).value?.lbPolicy).toBe(lb_policy);
    },
  );

  test('knows the service behind it', () => {
    const service = { host: 'a.default.svc.cluster.local', name: 'a', namespace: 'default' };
    expect(decode({ ...edsClusterJson('a'), metadata: serviceMetadata(service) }).value?.service).toEqual(service);
  });

  test('takes the idle timeout from either place where Envoy reads it', () => {
    const common_http_protocol_options = { idle_timeout: '30s' };
    const name = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
    const options = typed(name, { common_http_protocol_options, explicit_http_config: { http_protocol_options: {} } });
    expect(decode({ ...edsClusterJson('a'), common_http_protocol_options }).value?.idleTimeoutMs).toBe(30_000);
    expect(
      decode({ ...edsClusterJson('a'), typed_extension_protocol_options: { [name]: options } }).value?.idleTimeoutMs,
    ).toBe(30_000);
  });

  test('speaks HTTP/1.1, HTTP/2 or what its clients speak', () => {
    const http2_protocol_options = { max_concurrent_streams: 7 };
    const http2 = { maxConcurrentStreams: 7 };
    const of = (options: object) => decode(withProtocol(options)).value;
    expect(of({ explicit_http_config: { http_protocol_options: {} } })?.protocol).toBe('http1');
    expect(of({ explicit_http_config: {} })?.protocol).toBe('http1');
    expect(of({ explicit_http_config: { http2_protocol_options } })).toMatchObject({ protocol: 'http2', http2 });
    expect(of({ use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options } })).toMatchObject(
      {
        protocol: 'downstream',
        http2,
      },
    );
    expect(of({ use_downstream_protocol_config: {} })).toMatchObject({
      protocol: 'downstream',
      http2: defaultHttp2Options,
    });
    // The older spelling.
    expect(decode({ ...edsClusterJson('a'), http2_protocol_options }).value).toMatchObject({
      protocol: 'http2',
      http2,
    });
  });

  test('may say where its connections come from, for each IP version', () => {
    const of = (upstream_bind_config: Cluster['upstream_bind_config']) =>
      decode({ ...edsClusterJson('a'), ...(upstream_bind_config && { upstream_bind_config }) }).value?.sourceAddresses;
    expect(of(undefined)).toBeUndefined();
    expect(of({ source_address: { address: '::6' } })).toEqual({ ipv4: undefined, ipv6: '::6' });
    const extra_source_addresses = [{ address: { address: '::6', port_value: 0 } }];
    expect(of({ source_address: { address: '127.0.0.6', port_value: 0 }, extra_source_addresses })).toEqual({
      ipv4: '127.0.0.6',
      ipv6: '::6',
    });
  });

  test('may say what is done anyway', () => {
    const json: Cluster = {
      ...edsClusterJson('a'),
      alt_stat_name: 'a',
      least_request_lb_config: { choice_count: 2 },
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
    };
    expect(faults(json)).toBe('');
  });
});

describe('a cluster is refused', () => {
  test.each<[string, Cluster, string]>([
    ['without a name', { ...edsClusterJson('') }, 'name: must be set'],
    ['of type EDS without its config', { name: 'a', type: 'EDS' }, 'eds_cluster_config: must be set'],
    ['of type STATIC without endpoints', { name: 'a' }, 'load_assignment: must be set'],
    [
      'of a type that takes no endpoints, and balances itself',
      { ...staticClusterJson('a', 1), type: 'ORIGINAL_DST' },
      'lb_policy: must be CLUSTER_PROVIDED where hosts are found by destination, got none\nload_assignment: is not supported',
    ],
    [
      'when EDS is not on the ADS stream',
      { name: 'a', type: 'EDS', eds_cluster_config: { eds_config: { path: '/x' } } },
      'eds_cluster_config.eds_config.ads: must be set\neds_cluster_config.eds_config.path: is not supported',
    ],
    [
      'with a policy that is not supported',
      { ...edsClusterJson('a'), lb_policy: 'CLUSTER_PROVIDED' },
      'lb_policy: "CLUSTER_PROVIDED" is not supported, only ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH, MAGLEV',
    ],
    [
      'without time to connect',
      { ...edsClusterJson('a'), connect_timeout: '0s' },
      'connect_timeout: must be more than 0s',
    ],
    [
      'with what would change behaviour',
      { ...edsClusterJson('a'), preconnect_policy: {} },
      'preconnect_policy: is not supported',
    ],
    [
      'with a source that is none',
      { ...edsClusterJson('a'), upstream_bind_config: {} },
      'upstream_bind_config.source_address: must be set',
    ],
    [
      'with a source port: each host could be connected once',
      { ...edsClusterJson('a'), upstream_bind_config: { source_address: { address: '127.0.0.6', port_value: 7 } } },
      'upstream_bind_config.source_address.port_value: 7 is not supported, only 0 is',
    ],
    [
      'with two sources of one IP version',
      {
        ...edsClusterJson('a'),
        upstream_bind_config: {
          source_address: { address: '127.0.0.6' },
          extra_source_addresses: [{ address: { address: '127.0.0.7' } }],
        },
      },
      'upstream_bind_config.extra_source_addresses: must be one address, of the other IP version',
    ],
    [
      'with a source that is chosen otherwise',
      {
        ...edsClusterJson('a'),
        upstream_bind_config: { source_address: { address: 'localhost' }, freebind: true, socket_options: [{}] },
      },
      'upstream_bind_config.freebind: true is not supported, only false is\nupstream_bind_config.source_address.address: must be an IP address, got "localhost"\nupstream_bind_config.socket_options: is not supported',
    ],
    [
      'with a panic threshold beyond all hosts',
      { ...edsClusterJson('a'), common_lb_config: { healthy_panic_threshold: { value: 101 } } },
      'common_lb_config.healthy_panic_threshold.value: must be from 0 to 100, got 101',
    ],
    [
      'whose hosts choose the version of HTTP in the handshake',
      withProtocol({ auto_config: {} }),
      `${protocolPath}.auto_config: is not supported`,
    ],
    ['without a version of HTTP', withProtocol({}), `${protocolPath}.explicit_http_config: must be set`],
    [
      'with HTTP/3',
      withProtocol({ explicit_http_config: { http3_protocol_options: {} } }),
      `${protocolPath}.explicit_http_config.http3_protocol_options: is not supported`,
    ],
    [
      'with options of HTTP/2 that are out of bounds',
      withProtocol({ use_downstream_protocol_config: { http2_protocol_options: { max_concurrent_streams: 0 } } }),
      `${protocolPath}.use_downstream_protocol_config.http2_protocol_options.max_concurrent_streams: must be from 1 to 2147483647, got 0`,
    ],
    [
      'with half a service',
      { ...edsClusterJson('a'), metadata: { filter_metadata: { istio: { services: [{ name: 'a' }] } } } },
      'metadata.filter_metadata: must name host, name and namespace in istio.services[0]',
    ],
  ])('%s', (_why, json, fault) => {
    expect(faults(json).split('\n').sort()).toEqual(fault.split('\n').sort());
  });
});

describe('a cluster load assignment', () => {
  const read = (json: ClusterLoadAssignment) =>
    decodeClusterLoadAssignment(
      requireValue(readJson('envoy.config.endpoint.v3.ClusterLoadAssignment', json), 'sample'),
    );

  function withEndpoint(change: Partial<LbEndpoint>): ClusterLoadAssignment {
    const json = assignmentJson('a', 8080);
    Object.assign(json.endpoints?.[0]?.lb_endpoints?.[0] ?? {}, change);
    return json;
  }

  test('lists the endpoints of all localities and keeps one endpoint per address', () => {
    const [first, second] = [assignmentJson('a', 1, 2), assignmentJson('a', 2, 3)];
    const endpoints = [...(first.endpoints ?? []), ...(second.endpoints ?? [])].map((locality, i) => ({
      ...locality,
      locality: { zone: `zone-${i}` },
      load_balancing_weight: i + 1,
    }));
    const { value } = read({ cluster_name: 'a', endpoints, policy: { overprovisioning_factor: 140 } });
    expect(value?.endpoints.map(({ port }) => port)).toEqual([1, 2, 3]);
  });

  test.each([
    ['UNKNOWN', true],
    ['HEALTHY', true],
    ['UNHEALTHY', false],
    ['DRAINING', false],
    ['TIMEOUT', false],
    ['DEGRADED', false],
  ] as const)('gives an endpoint that is %s traffic: %s', (health_status, isHealthy) => {
    expect(read(withEndpoint({ health_status })).value?.endpoints[0]?.isHealthy).toBe(isHealthy);
  });

  test('knows weight and workload of an endpoint', () => {
    const workload = {
      name: 'a-v1',
      namespace: 'default',
      canonicalService: 'a',
      canonicalRevision: 'v1',
      clusterId: 'Kubernetes',
    };
    const json = withEndpoint({ load_balancing_weight: 3, metadata: workloadMetadata(workload) });
    expect(read(json).value?.endpoints[0]).toMatchObject({ weight: 3, workload });
  });

  test('without endpoints is one', () => {
    expect(read({ cluster_name: 'a' })).toEqual({
      value: { clusterName: 'a', endpoints: [], overprovisioningFactor: 140 },
    });
  });

  test.each<[string, ClusterLoadAssignment, string]>([
    ['without a cluster name', {}, 'cluster_name: must be set'],
    [
      'with an endpoint of weight 0',
      withEndpoint({ load_balancing_weight: 0 }),
      'endpoints[0].lb_endpoints[0].load_balancing_weight: must be from 1 to 9007199254740991, got 0',
    ],
    [
      'with a name instead of an address',
      withEndpoint({ endpoint: { address: { socket_address: { address: 'localhost', port_value: 1 } } } }),
      'endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: must be an IP address, got "localhost"',
    ],
    [
      'with a port that is none',
      withEndpoint({ endpoint: { address: { socket_address: { address: '::1', port_value: 70_000 } } } }),
      'endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: must be from 1 to 65535, got 70000',
    ],
    [
      'with a workload that is not in five parts',
      withEndpoint({ metadata: { filter_metadata: { istio: { workload: 'a;b' } } } }),
      'endpoints[0].lb_endpoints[0].metadata.filter_metadata: must have istio.workload as workload;namespace;service;revision;cluster, got "a;b"',
    ],
  ])('%s is refused', (_why, json, fault) => {
    expect(formatFieldErrors(read(json).errors ?? [])).toBe(fault);
  });
});
