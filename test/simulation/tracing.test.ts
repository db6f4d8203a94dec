import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { virtualService } from './yaml.ts';

const collector = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: otel }
spec:
  hosts: [otel.tracing]
  ports: [{ number: 4318, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.9.9.9 }]
---
`;
const http = { path: '/v1/traces', headers: [{ name: 'x-tenant', value: 'shop' }] };
const meshConfig = {
  extensionProviders: [{ name: 'otel', opentelemetry: { service: 'otel.tracing', port: 4318, http } }],
  defaultProviders: { tracing: ['otel'] },
  defaultConfig: { tracing: { sampling: 100 } },
};
const workloads = [{ service: 'reviews' }, { service: 'ratings' }];
const traceId = '0af7651916cd43dd8448eb211c80319c';
const sampled = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };

describe('a mesh whose MeshConfig names a tracing provider', () => {
  test('sends the spans of each sidecar to the service that it names', async () => {
    const yaml =
      collector +
      virtualService('reviews', '[{ match: [{ uri: { prefix: /a } }], route: [{ destination: { host: reviews } }] }]');
    const mesh = await Simulation.start({ yaml, workloads, meshConfig });
    const { upstreamHeaders } = mesh.call({ host: 'reviews', path: '/a', headers: sampled });
    expect(upstreamHeaders['traceparent']).toMatch(new RegExp(`^00-${traceId}-(?!b7ad6b7169203331).{16}-01$`));
    mesh.clock.advance(1_000);
    const { address, path, headers, body } = mesh.sent.at(-1) ?? {};
    expect([address, path]).toEqual(['10.9.9.9:4318', '/v1/traces']);
    expect(headers).toMatchObject({ 'x-tenant': 'shop', 'content-type': 'application/json' });
    expect(body).toContain('"name":"reviews.default.svc.cluster.local:80/a*"');
    for (const tag of ['istio.namespace', 'istio.canonical_service', 'istio.cluster_id', 'istio.mesh_id']) {
      expect(body).toContain(`"key":"${tag}"`);
    }
  });

  test('samples one request in a hundred unless it says otherwise', async () => {
    const { extensionProviders, defaultProviders } = meshConfig;
    const mesh = await Simulation.start({
      yaml: collector,
      workloads,
      meshConfig: { extensionProviders, defaultProviders },
    });
    let count = 0;
    for (let i = 0; i < 1_000; i++) {
      if (mesh.call({ host: 'reviews' }).upstreamHeaders['traceparent']?.endsWith('-01') === true) count += 1;
    }
    expect(count).toBeGreaterThan(2);
    expect(count).toBeLessThan(25);
  });

  test('S26: never samples a copy', async () => {
    const rule = '[{ route: [{ destination: { host: reviews } }], mirror: { host: ratings } }]';
    const mesh = await Simulation.start({ yaml: collector + virtualService('reviews', rule), workloads, meshConfig });
    const { mirrors, upstreamHeaders } = mesh.call({ host: 'reviews', headers: sampled });
    expect(upstreamHeaders['traceparent']).toMatch(/-01$/);
    expect(mirrors[0]?.headers['traceparent']).toMatch(new RegExp(`^00-${traceId}-.*-00$`));
  });

  test.each([{}, { ...meshConfig, enableTracing: false }])('and none traces nothing: %j', async (meshConfig) => {
    const mesh = await Simulation.start({ yaml: collector, workloads, meshConfig });
    expect(mesh.call({ host: 'reviews', headers: sampled }).upstreamHeaders).toMatchObject(sampled);
    expect(mesh.call({ host: 'reviews' }).upstreamHeaders).not.toHaveProperty('traceparent');
  });
});
