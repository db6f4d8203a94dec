import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { buildSidecarBootstrap, type SidecarPlan } from '../../../pilot/cli/sidecar-bootstrap.ts';
import { readBootstrap } from '../../../proxy/bootstrap.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { requirePeers } from '../../support/peers.ts';
import { Authority, temporaryFolder } from '../../support/pki.ts';

const plan: SidecarPlan = {
  identity: {
    service: 'reviews',
    namespace: 'shop',
    version: 'v2',
    labels: { tier: 'web' },
    instance: '1a',
    address: '10.0.0.7',
  },
  ports: { app: 9080, inbound: 20_002, outbound: 20_001, admin: 20_003 },
  pilot: { host: '127.0.0.1', port: 15_010 },
};

const decode = (input: SidecarPlan) => {
  const decoded = readBootstrap(JSON.stringify(buildSidecarBootstrap(input)), 'test');
  expect(decoded.errors).toBeUndefined();
  return decoded.value;
};

describe('the bootstrap of a sidecar', () => {
  test('says where it runs, when it was told', () => {
    const locality = { region: 'r1', zone: 'z1', subZone: '' };
    const placed = { ...plan, identity: { ...plan.identity, locality } };
    expect(buildSidecarBootstrap(placed).node?.locality).toEqual({ region: 'r1', zone: 'z1', sub_zone: '' });
    expect(decode(placed)?.node.metadata.locality).toEqual(locality);
    expect(buildSidecarBootstrap(plan).node).not.toHaveProperty('locality');
  });

  test('says what its application speaks, when it was told', () => {
    expect(decode({ ...plan, protocol: 'grpc' })?.node.metadata.appProtocol).toBe('grpc');
    expect(buildSidecarBootstrap(plan).node?.metadata).not.toHaveProperty('APP_PROTOCOL');
  });

  test('says where it answers DNS, when it was told to', () => {
    expect(decode({ ...plan, dns: { dnsPort: 15_053 } })?.node.metadata.dnsPort).toBe(15_053);
    expect(buildSidecarBootstrap(plan).node?.metadata).not.toHaveProperty('DNS_CAPTURE');
  });

  test('is one that the proxy reads without a fault', () => {
    expect(decode(plan)).toMatchObject({
      admin: { address: '127.0.0.1', port: 20_003 },
      ads: { clusterName: 'xds_cluster', hasClusterDiscovery: true, hasListenerDiscovery: true },
      metricsServices: [{ clusterName: 'mixer' }],
      localClusterName: 'local_cluster',
      statsFlushIntervalMs: 1000,
      staticListeners: [],
    });
  });

  test('of a gateway limits the connections of strangers, that of a sidecar none', () => {
    const gateway = { portOffset: 0, trustedProxies: 0 };
    expect(decode({ ...plan, gateway })?.maxDownstreamConnections).toBe(50_000);
    expect(decode(plan)?.maxDownstreamConnections).toBeUndefined();
  });

  test("follows the name of pilot's host, and goes to an address as it stands", () => {
    const clusterOf = (host: string) => decode({ ...plan, pilot: { host, port: 15_010 } })?.staticClusters[0];
    expect(clusterOf('pilot.mesh')?.discovery).toMatchObject({
      kind: 'dns',
      isLogical: false,
      assignment: { endpoints: [{ address: 'pilot.mesh', port: 15_010 }] },
    });
    for (const address of ['10.0.0.1', 'fd00::1']) expect(clusterOf(address)?.discovery.kind).toBe('static');
  });

  test('says who the workload is', () => {
    expect(decode(plan)?.node).toEqual({
      id: 'sidecar~10.0.0.7~reviews-v2-1a.shop~shop.svc.cluster.local',
      cluster: 'reviews.shop',
      metadata: {
        name: 'reviews-v2-1a',
        namespace: 'shop',
        service: 'reviews',
        workloadName: 'reviews-v2',
        labels: { app: 'reviews', version: 'v2', tier: 'web' },
        clusterId: 'Kubernetes',
        address: '10.0.0.7',
        appPort: 9080,
        inboundPort: 20_002,
        outboundPort: 20_001,
        readinessProbe: { tcpPort: 9080 },
      },
    });
  });

  test('labels that are given win over those made from --service and --version', () => {
    const identity = { ...plan.identity, labels: { version: 'canary' } };
    expect(decode({ ...plan, identity })?.node.metadata.labels).toEqual({ app: 'reviews', version: 'canary' });
  });

  test('an instance may be called by its own name, as a pod is', () => {
    const node = decode({ ...plan, identity: { ...plan.identity, name: 'reviews-0' } })?.node;
    expect(node?.metadata.name).toBe('reviews-0');
    expect(node?.id).toBe('sidecar~10.0.0.7~reviews-0.shop~shop.svc.cluster.local');
    expect(node?.metadata.workloadName).toBe('reviews-v2');
  });

  test('a pure client is an instance of no service and has no inbound port', () => {
    const ports = { ...plan.ports, app: undefined, inbound: undefined };
    expect(decode({ ...plan, ports })?.node.metadata).toMatchObject({
      readinessProbe: undefined,
      service: '',
      workloadName: 'reviews-v2',
      appPort: 0,
      inboundPort: 0,
      outboundPort: 20_001,
    });
  });

  test('says that connections are intercepted, and the ports of the application', () => {
    const interception = { interceptionMode: 'REDIRECT', appPorts: [9080, 9090] } as const;
    const intercepted = {
      ...plan,
      ports: { app: 9080, inbound: 15_006, outbound: 15_001, admin: 20_003 },
      interception,
    };
    expect(decode(intercepted)?.node.metadata).toMatchObject({
      ...interception,
      service: 'reviews',
      inboundPort: 15_006,
      outboundPort: 15_001,
      readinessProbe: { tcpPort: 9080 },
    });
  });

  test('an intercepted application without ports is still an instance of its service, which may know them', () => {
    const ports = { app: undefined, inbound: 15_006, outbound: 15_001, admin: 20_003 };
    const metadata = decode({ ...plan, ports, interception: { interceptionMode: 'REDIRECT' } })?.node.metadata;
    expect(metadata).toMatchObject({ service: 'reviews', readinessProbe: undefined });
    expect(metadata).not.toHaveProperty('appPorts');
  });

  test('pilot is a static HTTP/2 cluster, the mixer an HTTP/2 cluster whose endpoints pilot knows', () => {
    const [xds, mixer] = decode(plan)?.staticClusters ?? [];
    expect(xds).toMatchObject({ name: 'xds_cluster', protocol: 'http2', discovery: { kind: 'static' } });
    expect(xds?.discovery).toMatchObject({ assignment: { endpoints: [{ address: '127.0.0.1', port: 15_010 }] } });
    expect(mixer).toMatchObject({ name: 'mixer', protocol: 'http2', discovery: { kind: 'eds', serviceName: 'mixer' } });
  });

  test('pilot may be spoken to over TLS: it must show a certificate for the name or address it is called by', () => {
    const tlsOf = (host: string) => {
      const [xds] = decode({ ...plan, pilot: { ...plan.pilot, host }, pilotTlsDir: '/etc/xds' })?.staticClusters ?? [];
      return { sni: xds?.tls?.sni, alpn: xds?.tls?.alpnProtocols, text: JSON.stringify(xds?.tls) };
    };
    const named = tlsOf('pilot.heddle');
    expect(named).toMatchObject({ sni: 'pilot.heddle', alpn: ['h2'] });
    expect(named.text).toMatch(/"type":"DNS","matcher":\{[^}]*"value":"pilot.heddle"/);
    const addressed = tlsOf('10.0.0.5');
    expect(addressed.sni).toBe('');
    expect(addressed.text).toMatch(/"type":"IP_ADDRESS","matcher":\{[^}]*"value":"10.0.0.5"/);
    for (const file of ['tls.crt', 'tls.key', 'ca.crt']) expect(named.text).toContain(`/etc/xds/${file}`);
  });

  test('a real Envoy starts with TLS to pilot too', async (context) => {
    requirePeers(context, 'envoy');
    const folder = temporaryFolder();
    const authority = closeAfterTest(new Authority());
    const { cert, key } = authority.issue();
    const files = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.cert };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(buildSidecarBootstrap({ ...plan, pilotTlsDir: folder })));
    const validate = promisify(execFile)('envoy', ['--mode', 'validate', '-c', file]);
    await expect(validate).resolves.toMatchObject({ stdout: expect.stringContaining('OK') });
  });

  test.for(['127.0.0.1', 'localhost'])('a real Envoy starts from it too, with pilot at %s', async (host, context) => {
    requirePeers(context, 'envoy');
    const dir = mkdtempSync(join(tmpdir(), 'heddle-envoy-'));
    const file = join(dir, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(buildSidecarBootstrap({ ...plan, pilot: { ...plan.pilot, host } })));
    const validate = promisify(execFile)('envoy', ['--mode', 'validate', '-c', file]);
    await expect(validate).resolves.toMatchObject({ stdout: expect.stringContaining('OK') });
    rmSync(dir, { recursive: true });
  });
});
