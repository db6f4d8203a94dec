import { describe, expect, it } from 'vitest';
import { buildOutboundClusters } from '../../../pilot/networking/clusters.ts';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type {
  Cluster,
  ProxyProtocolUpstreamTransport,
  TransportSocket,
  UpstreamTlsContext,
} from '../../../proxy/api/envoy.gen.ts';
import { contextOf, destinationRuleYaml, serviceYaml } from './scenario.ts';

const host = 'reviews.default.svc.cluster.local';

function clusterOf(trafficPolicy: string, { subset = '', rest = '' } = {}): Cluster | undefined {
  const yaml =
    serviceYaml('reviews') + destinationRuleYaml(`{ host: reviews, trafficPolicy: ${trafficPolicy} ${rest} }`);
  const clusters = buildOutboundClusters(contextOf(yaml).config, { namespace: 'default' });
  return clusters.find(({ name }) => name === `outbound|80|${subset}|${host}`);
}

function contextFor(tls: string): UpstreamTlsContext | undefined {
  const cluster = clusterOf(`{ tls: ${tls} }`);
  if (cluster !== undefined) expect(decodeCluster(cluster).errors).toBeUndefined();
  return cluster?.transport_socket?.typed_config as UpstreamTlsContext | undefined;
}

const dns = (name: string) => ({ san_type: 'DNS', matcher: { exact: name } });

describe('tls of a DestinationRule', () => {
  it('SIMPLE is TLS 1.2 or 1.3 to a server that the system trusts and that is the host of the service', () => {
    expect(contextFor('{ mode: SIMPLE }')).toEqual({
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: host,
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        validation_context: {
          trusted_ca: { filename: '/etc/ssl/certs/ca-certificates.crt' },
          match_typed_subject_alt_names: [dns(host)],
        },
      },
    });
  });

  it('names authorities, revoked certificates, the server name and the names in the certificate', () => {
    const names = '[a.example.com, "spiffe://mesh/a", 10.0.0.1, a@example.com]';
    const tls = `{ mode: SIMPLE, caCertificates: /ca.pem, caCrl: /crl.pem, sni: b.example.com, subjectAltNames: ${names} }`;
    expect(contextFor(tls)).toMatchObject({
      sni: 'b.example.com',
      common_tls_context: {
        validation_context: {
          trusted_ca: { filename: '/ca.pem' },
          crl: { filename: '/crl.pem' },
          match_typed_subject_alt_names: [
            dns('a.example.com'),
            { san_type: 'URI', matcher: { exact: 'spiffe://mesh/a' } },
            { san_type: 'IP_ADDRESS', matcher: { exact: '10.0.0.1' } },
            { san_type: 'EMAIL', matcher: { exact: 'a@example.com' } },
          ],
        },
      },
    });
  });

  it('verifies the server name that is asked for, where Istio would take any', () => {
    const context = contextFor('{ mode: SIMPLE, sni: b.example.com }');
    const { match_typed_subject_alt_names: names } = context?.common_tls_context?.validation_context ?? {};
    expect(names).toEqual([dns('b.example.com')]);
  });

  it('verifies nothing when told so', () => {
    const context = contextFor('{ mode: SIMPLE, insecureSkipVerify: true }');
    expect(context?.common_tls_context).not.toHaveProperty('validation_context');
  });

  it('MUTUAL shows a certificate', () => {
    const context = contextFor('{ mode: MUTUAL, clientCertificate: /a.pem, privateKey: /a.key }');
    expect(context?.common_tls_context?.tls_certificates).toEqual([
      { certificate_chain: { filename: '/a.pem' }, private_key: { filename: '/a.key' } },
    ]);
  });

  it('DISABLE is plain text, and so is none', () => {
    expect(clusterOf('{ tls: { mode: DISABLE } }')).not.toHaveProperty('transport_socket');
    expect(clusterOf('{ loadBalancer: { simple: RANDOM } }')).not.toHaveProperty('transport_socket');
  });

  it('D3: of a subset it replaces that of the rule', () => {
    const rest = ', subsets: [{ name: v1, trafficPolicy: { tls: { mode: DISABLE } } }, { name: v2 }]';
    expect(clusterOf('{ tls: { mode: SIMPLE } }', { subset: 'v1', rest })).not.toHaveProperty('transport_socket');
    expect(clusterOf('{ tls: { mode: SIMPLE } }', { subset: 'v2', rest })).toHaveProperty('transport_socket');
  });

  it('D4: settings of a port without tls are plain text, whatever the rule says', () => {
    const port = (settings: string) =>
      `{ tls: { mode: SIMPLE }, portLevelSettings: [{ port: { number: 80 }, ${settings} }] }`;
    expect(clusterOf(port('loadBalancer: { simple: RANDOM }'))).not.toHaveProperty('transport_socket');
    expect(clusterOf(port('tls: { mode: SIMPLE, sni: a }'))).toHaveProperty('transport_socket');
  });

  it('asks hosts of a wildcard for no name, and takes a certificate of any of them', () => {
    const yaml = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wild }
spec:
  hosts: ['*.example.com']
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1 }]
${destinationRuleYaml("{ host: '*.example.com', trafficPolicy: { tls: { mode: SIMPLE } } }")}`;
    const [cluster] = buildOutboundClusters(contextOf(yaml).config, { namespace: 'default' });
    const context = cluster?.transport_socket?.typed_config as UpstreamTlsContext | undefined;
    expect(context).not.toHaveProperty('sni');
    expect(context?.common_tls_context?.validation_context?.match_typed_subject_alt_names).toEqual([
      { san_type: 'DNS', matcher: { suffix: '.example.com' } },
    ]);
  });

  it('reaches nobody where requests name the host, which could not be verified', () => {
    const cluster = clusterOf('{ tls: { mode: SIMPLE }, loadBalancer: { simple: PASSTHROUGH } }');
    expect(cluster).toMatchObject({ type: 'STATIC', load_assignment: { cluster_name: cluster?.name } });
    expect(cluster).not.toHaveProperty('cluster_type');
  });
});

describe('proxyProtocol of a DestinationRule', () => {
  const typeOf = ({ typed_config }: TransportSocket): string => String(typed_config?.['@type']).replace(/^.*[.]/, '');
  const socketsFor = (policy: string, options = {}): unknown[] => {
    const cluster = clusterOf(policy, options);
    if (cluster !== undefined) expect(decodeCluster(cluster).errors).toBeUndefined();
    const outer = cluster?.transport_socket;
    if (outer === undefined) return [];
    const { config, transport_socket } = outer.typed_config as ProxyProtocolUpstreamTransport;
    return [typeOf(outer), config?.version, transport_socket && typeOf(transport_socket)];
  };

  it('stands around the plain socket or TLS, as version 1 unless it says otherwise', () => {
    expect(socketsFor('{ proxyProtocol: {} }')).toEqual(['ProxyProtocolUpstreamTransport', 'V1', 'RawBuffer']);
    expect(socketsFor('{ proxyProtocol: { version: V2 }, tls: { mode: SIMPLE } }')).toEqual([
      'ProxyProtocolUpstreamTransport',
      'V2',
      'UpstreamTlsContext',
    ]);
  });

  it('D3: a subset has that of the rule, or its own', () => {
    const rest = ', subsets: [{ name: v1 }, { name: v2, trafficPolicy: { proxyProtocol: { version: V2 } } }]';
    expect(socketsFor('{ proxyProtocol: {} }', { subset: 'v1', rest })[1]).toBe('V1');
    expect(socketsFor('{ proxyProtocol: {} }', { subset: 'v2', rest })[1]).toBe('V2');
  });

  it('D4: stays what it is where a port has settings, which have none', () => {
    const settings = 'portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: RANDOM } }]';
    expect(socketsFor(`{ proxyProtocol: { version: V2 }, ${settings} }`)[1]).toBe('V2');
  });
});
