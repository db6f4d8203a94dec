import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Listener } from '../../../proxy/api/envoy.gen.ts';
import { httpConnectionManagersOf } from '../../../proxy/api/listener.ts';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { requirePeers } from '../../support/peers.ts';
import { Authority } from '../../support/pki.ts';
import { validateWithEnvoy } from './envoy-validation.ts';
import { addressesOf, listenerOf, type NodeResources, resourcesOfNode } from './interception.ts';
import { contextOf, metadataOf, serviceYaml } from './scenario.ts';

const node = metadataOf({ type: 'router', service: '', labels: { gateway: 'edge' }, appPort: 0, inboundPort: 0 });

const gateway = (name: string, servers: string): string => `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name} }
spec: { selector: { gateway: edge }, servers: [${servers}] }
`;
const rules = (name: string, spec: string): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec: { ${spec} }
`;
const port = (number: number, protocol: string): string =>
  `port: { number: ${number}, name: ${protocol.toLowerCase()}-${number}, protocol: ${protocol} }`;
const toWeb = 'route: [{ destination: { host: web, port: { number: 80 } } }]';

let folder = '';
let files = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-gateway-'));
  const authority = new Authority();
  const { cert, key } = authority.issue();
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  writeFileSync(join(folder, 'ca.pem'), authority.cert);
  authority.close();
  files = `serverCertificate: ${folder}/cert.pem, privateKey: ${folder}/key.pem`;
});
afterAll(() => rmSync(folder, { recursive: true }));

const web = serviceYaml('web', { ports: '[{ name: http, port: 80 }, { name: tcp, port: 5432 }]' });

function everything(): string {
  const caCertificates = `caCertificates: ${folder}/ca.pem`;
  const servers = [
    `{ ${port(80, 'HTTP')}, hosts: ["*.example.com"], tls: { httpsRedirect: true } }`,
    `{ ${port(81, 'HTTP')}, hosts: [nobody.example.com], bind: 127.0.0.1 }`,
    `{ ${port(443, 'HTTPS')}, name: shop, hosts: [shop.example.com], tls: { mode: SIMPLE, ${files}, minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_3, cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256, AES-NONSENSE] } }`,
    `{ port: { number: 443, name: mutual, protocol: HTTPS }, hosts: ["*/admin.example.com"], tls: { mode: MUTUAL, ${files}, ${caCertificates}, subjectAltNames: ["spiffe://a", ops.example.com] } }`,
    `{ port: { number: 443, name: optional, protocol: HTTPS }, hosts: [any.example.com], tls: { mode: OPTIONAL_MUTUAL, ${files}, ${caCertificates} } }`,
    `{ port: { number: 443, name: through, protocol: TLS }, hosts: ["*.secret.example.com"], tls: { mode: PASSTHROUGH } }`,
    `{ port: { number: 443, name: tls, protocol: TLS }, hosts: [db.example.com], tls: { mode: SIMPLE, ${files} } }`,
    `{ ${port(5432, 'TCP')}, hosts: ["*"] }`,
    `{ ${port(9090, 'GRPC')}, hosts: ["*.example.com"] }`,
    `{ ${port(9091, 'HTTP2')}, hosts: ["*.example.com"] }`,
  ];
  return (
    web +
    gateway('front', servers.join(', ')) +
    rules('http', `hosts: ["*.example.com"], gateways: [front], http: [{ ${toWeb} }]`) +
    rules(
      'through',
      `hosts: ["*.secret.example.com"], gateways: [front], tls: [{ match: [{ sniHosts: [a.secret.example.com] }], ${toWeb} }]`,
    ) +
    rules(
      'tcp',
      `hosts: [db.example.com], gateways: [front], tcp: [{ match: [{ port: 443 }, { port: 5432, sourceLabels: { app: nobody } }], route: [{ destination: { host: web, port: { number: 5432 } } }] }]`,
    )
  );
}

const resources = (yaml: string): NodeResources => resourcesOfNode(node, contextOf(yaml));

interface Chain {
  readonly names: readonly string[];
  readonly filter: string;
  readonly isTls: boolean;
}

function chainsOf({ filter_chains = [] }: Listener): Chain[] {
  return filter_chains.map(({ filter_chain_match, transport_socket, filters = [] }) => ({
    names: filter_chain_match?.server_names ?? [],
    filter: filters[0]?.name?.replace('envoy.filters.network.', '') ?? '',
    isTls: transport_socket !== undefined,
  }));
}

describe('listeners of a gateway', () => {
  test('are accepted by a real Envoy', async (context) => {
    requirePeers(context, 'envoy');
    await validateWithEnvoy(resources(everything()));
  });

  test('are accepted by the proxy', () => {
    for (const listener of resources(everything()).listeners) {
      expect(decodeListener(listener).errors, listener.name).toBeUndefined();
    }
  });

  test('are one per address and port, with what tells the servers of a port apart', () => {
    const { listeners, routes } = resources(everything());
    expect(listeners.map(({ name }) => name)).toEqual([
      '0.0.0.0_80',
      '127.0.0.1_81',
      '0.0.0.0_443',
      '0.0.0.0_5432',
      '0.0.0.0_9090',
      '0.0.0.0_9091',
    ]);
    const manager = 'http_connection_manager';
    expect(listeners.map(addressesOf).slice(0, 2)).toEqual([['0.0.0.0:80', ':::80'], ['127.0.0.1:81']]);
    expect(chainsOf(listenerOf({ listeners, routes, clusters: [], assignments: [] }, '0.0.0.0_443'))).toEqual([
      { names: ['shop.example.com'], filter: manager, isTls: true },
      { names: ['admin.example.com'], filter: manager, isTls: true },
      { names: ['any.example.com'], filter: manager, isTls: true },
      { names: ['a.secret.example.com'], filter: 'tcp_proxy', isTls: false },
      { names: ['db.example.com'], filter: 'tcp_proxy', isTls: true },
    ]);
    expect(routes.map(({ name }) => name)).toEqual([
      'http.80',
      'http.81.127.0.0.1',
      'https.443.https-443.front.default',
      'https.443.mutual.front.default',
      'https.443.optional.front.default',
      'http.9090',
      'http.9091',
    ]);
  });

  test('take HTTP/2 and HTTP/1.1, of HTTP/2 as much as a stranger may have', () => {
    const managers = resources(everything()).listeners.flatMap((listener) =>
      httpConnectionManagersOf(requireValue(decodeListener(listener), listener.name ?? '')),
    );
    expect(managers.map(({ routes }) => routes)).toHaveLength(7);
    for (const manager of managers) {
      expect(manager.codecType).toBe('AUTO');
      expect(manager.http2).toEqual({
        maxConcurrentStreams: 100,
        initialStreamWindowBytes: 65_536,
        initialConnectionWindowBytes: 1_048_576,
        keepalive: undefined,
      });
    }
  });

  test('ask for certificates as their mode says', () => {
    const [, , tls] = resources(everything()).listeners;
    const contexts = (tls?.filter_chains ?? []).flatMap(({ transport_socket }) => transport_socket?.typed_config ?? []);
    expect(contexts).toMatchObject([
      {
        require_client_certificate: false,
        common_tls_context: {
          tls_params: {
            tls_minimum_protocol_version: 'TLSv1_2',
            tls_maximum_protocol_version: 'TLSv1_3',
            cipher_suites: ['ECDHE-RSA-AES128-GCM-SHA256'],
          },
          alpn_protocols: ['h2', 'http/1.1'],
        },
      },
      {
        require_client_certificate: true,
        common_tls_context: {
          validation_context: {
            trusted_ca: { filename: `${folder}/ca.pem` },
            match_typed_subject_alt_names: [{ san_type: 'URI' }, { san_type: 'DNS' }],
          },
        },
      },
      { require_client_certificate: false, common_tls_context: { validation_context: {} } },
      { require_client_certificate: false },
    ]);
    expect(contexts[0]).not.toHaveProperty('common_tls_context.validation_context');
  });

  test('do not wait for strangers who say nothing', () => {
    const [plain, , tls] = resources(everything()).listeners;
    expect(plain).not.toHaveProperty('listener_filters');
    expect(tls).toMatchObject({ listener_filters_timeout: '15s' });
    expect(tls).not.toHaveProperty('continue_on_listener_filters_timeout');
  });
});

test('clusters of a gateway are those of all ports, and none lets requests through to where no rule leads', () => {
  const names = resources(everything()).clusters.map(({ name }) => name);
  expect(names).toEqual(['outbound|80||web.default.svc.cluster.local', 'outbound|5432||web.default.svc.cluster.local']);
});

describe('servers of one port', () => {
  const names = (...servers: string[]): string[] =>
    resources(
      web +
        servers.map((server, i) => gateway(`g${i}`, server)).join('') +
        rules('tcp', `hosts: [a.com], gateways: [g0, g1], tcp: [{ ${toWeb} }]`),
    ).listeners.flatMap((listener) => chainsOf(listener).map(({ filter, names: sni }) => [filter, ...sni].join(' ')));
  const http = `{ ${port(80, 'HTTP')}, hosts: [a.com] }`;
  const tcp = `{ ${port(80, 'TCP')}, hosts: [a.com] }`;
  const https = (host: string): string => `{ ${port(80, 'HTTPS')}, hosts: [${host}], tls: { mode: SIMPLE, ${files} } }`;

  test('of one protocol share it', () => {
    expect(names(http, http)).toEqual(['http_connection_manager']);
    expect(names(https('a.com'), https('b.com'))).toEqual([
      'http_connection_manager a.com',
      'http_connection_manager b.com',
    ]);
  });

  test('that cannot share it leave it to the oldest', () => {
    expect(names(http, tcp)).toEqual(['http_connection_manager']);
    expect(names(tcp, http)).toEqual(['tcp_proxy']);
    expect(names(http, https('a.com'))).toEqual(['http_connection_manager']);
    expect(names(https('a.com'), http)).toEqual(['http_connection_manager a.com']);
    expect(names(https('a.com'), https('a.com'))).toEqual(['http_connection_manager a.com']);
  });

  test('have no listener where no rule says where connections go', () => {
    expect(resources(web + gateway('g', tcp)).listeners).toEqual([]);
  });
});

test('an offset moves the ports that are listened at, and nothing else', () => {
  const shifted = resourcesOfNode({ ...node, portOffset: 8000 }, contextOf(everything()));
  expect(shifted.listeners.map(({ name }) => name)).toEqual([
    '0.0.0.0_8080',
    '127.0.0.1_8081',
    '0.0.0.0_8443',
    '0.0.0.0_13432',
    '0.0.0.0_17090',
    '0.0.0.0_17091',
  ]);
  expect(shifted.routes.map(({ name }) => name)).toContain('http.8080');
  expect(shifted.routes.map(({ name }) => name)).toContain('https.443.https-443.front.default');
});
