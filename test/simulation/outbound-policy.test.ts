import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { virtualService } from './yaml.ts';

const dns = { 'api.example.com': ['192.0.2.7'], 'two.example.com': ['192.0.2.8', '192.0.2.9'] };
const registryOnly = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } as const;
const workloads = [{ service: 'reviews' }];

const sidecar = (name: string, spec: string, namespace = 'default'): string => `
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${spec} }
`;

describe('ALLOW_ANY, the default: a host that nobody declared', () => {
  test.each([
    ['api.example.com', '192.0.2.7:80'],
    ['api.example.com:8080', '192.0.2.7:8080'],
    ['API.Example.COM', '192.0.2.7:80'],
    ['10.9.9.9', '10.9.9.9:80'],
    ['10.9.9.9:9080', '10.9.9.9:9080'],
    ['[2001:db8::1]:8080', '2001:db8::1:8080'],
  ])('%s is reached at %s, through the route allow_any and the PassthroughCluster', async (host, endpoint) => {
    const mesh = await Simulation.start({ workloads, dns });
    const landing = mesh.call({ host });
    expect(landing).toMatchObject({ status: 200, endpoint, cluster: 'PassthroughCluster', route: 'allow_any' });
    expect(landing.upstreamHeaders['host']).toBe(host);
  });

  test('is not told who calls: the metadata of the caller are for the mesh', async () => {
    const mesh = await Simulation.start({ workloads, dns });
    expect(mesh.call({ host: 'reviews' }).upstreamHeaders).toHaveProperty('x-envoy-peer-metadata');
    expect(mesh.call({ host: 'api.example.com' }).upstreamHeaders).not.toHaveProperty('x-envoy-peer-metadata');
  });

  test('a name that DNS does not know is answered with 503, flag DF, and says so', async () => {
    const mesh = await Simulation.start({ workloads, dns });
    const { status, flag, responseHeaders, attempts } = mesh.call({ host: 'apj.example.com' });
    expect({ status, flag, attempts }).toEqual({ status: 503, flag: 'DF', attempts: [] });
    expect(responseHeaders['x-heddle-reason']).toBe(
      'DF no service, and no host in DNS, has the name apj.example.com (ENOTFOUND)',
    );
  });

  test.each([
    'reveiws',
    'reveiws:9080',
    'reviews.shop.svc',
    'reviews.shop.svc.cluster.local',
    'reviews.shop.svc.cluster.local.:80',
    'reviews.default.svc.cluster.local:81',
  ])('S33: %s can only be a service of the mesh: 404, flag NR, whatever DNS makes of it', async (host) => {
    const mesh = await Simulation.start({ workloads, dns: { [host.replace(/:\d+$/, '')]: ['192.0.2.7'] } });
    expect(mesh.call({ host })).toMatchObject({ status: 404, flag: 'NR', attempts: [] });
  });
});

describe('REGISTRY_ONLY: a host that nobody declared', () => {
  test.each(['api.example.com', '10.9.9.9:80', 'reveiws'])('%s is answered with 502 and the reason', async (host) => {
    const mesh = await Simulation.start({ workloads, dns, meshConfig: registryOnly });
    const { status, route, attempts, responseHeaders } = mesh.call({ host });
    expect({ status, route, attempts }).toEqual({ status: 502, route: 'block_all', attempts: [] });
    const reason = `- ${host} is declared by no service, and the outbound traffic policy is REGISTRY_ONLY`;
    expect(responseHeaders['x-heddle-reason']).toBe(reason);
  });

  test('services of the mesh, and hosts that rules name, are as before', async () => {
    const rules = virtualService('shop.example.com', '[{ route: [{ destination: { host: reviews } }] }]');
    const mesh = await Simulation.start({ yaml: rules, workloads, meshConfig: registryOnly });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 200, service: 'reviews' });
    expect(mesh.call({ host: 'shop.example.com' })).toMatchObject({ status: 200, service: 'reviews' });
  });
});

describe('a Sidecar says otherwise than the mesh', () => {
  const open = 'outboundTrafficPolicy: { mode: ALLOW_ANY }';
  const closed = 'outboundTrafficPolicy: { mode: REGISTRY_ONLY }';
  const selecting = (app: string, policy: string): string => `workloadSelector: { labels: { app: ${app} } }, ${policy}`;

  async function statusFor(yaml: string, client: { namespace?: string; labels?: Record<string, string> } = {}) {
    const mesh = await Simulation.start({ yaml, workloads, dns, client, meshConfig: registryOnly });
    return mesh.call({ host: 'api.example.com' }).status;
  }

  test('for the workloads that it selects, and for no others', async () => {
    const yaml = sidecar('one', selecting('web', open));
    expect(await statusFor(yaml, { labels: { app: 'web' } })).toBe(200);
    expect(await statusFor(yaml, { labels: { app: 'other' } })).toBe(502);
    expect(await statusFor(yaml, { labels: { app: 'web' }, namespace: 'shop' })).toBe(502);
  });

  test('for its whole namespace when it selects none; one that selects comes first', async () => {
    const yaml = sidecar('all', open) + sidecar('one', selecting('web', closed));
    expect(await statusFor(yaml)).toBe(200);
    expect(await statusFor(yaml, { labels: { app: 'web' } })).toBe(502);
  });

  test('for the whole mesh in the root namespace; one of the namespace comes first', async () => {
    const root = sidecar('root', open, 'istio-system');
    expect(await statusFor(root, { namespace: 'shop' })).toBe(200);
    expect(await statusFor(root + sidecar('own', closed, 'shop'), { namespace: 'shop' })).toBe(502);
  });

  test('fields that are not in force are refused by name', async () => {
    await expect(Simulation.start({ yaml: sidecar('a', 'egress: [{ hosts: ["./*"] }]') })).rejects.toThrow('egress');
    await expect(Simulation.start({ yaml: sidecar('a', 'outboundTrafficPolicy: {}') })).rejects.toThrow('mode');
  });
});
