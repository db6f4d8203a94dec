import { expect, test } from 'vitest';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { bootstrapText, staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { startProxy } from '../../support/in-process-proxy.ts';
import { findSample, parsePrometheusText } from '../../support/prometheus-text.ts';
import { eventually } from '../../support/mesh.ts';
import { unusedPort } from '../../support/unused-port.ts';

test.each([
  ['OUTBOUND', 'source', 'unknown'],
  ['INBOUND', 'destination', 'none'],
] as const)('a connection of an %s listener is on the page of its %s', async (direction, reporter, policy) => {
  const backend = closeAfterTest(await Backend.start());
  const { server, adminPort } = await startProxy(
    bootstrapText(
      [tcpListener({ proxy: { cluster: 'backend' }, traffic_direction: direction })],
      [staticCluster('backend', [backend.port])],
    ),
  );
  // The bytes are a request to whoever is behind; the proxy does not look at them.
  await call(server.listeners.list()[0]?.port ?? 0, { path: '/x', headers: { connection: 'close' } });
  const labels = { reporter, request_protocol: 'tcp', connection_security_policy: policy, response_flags: '-' };
  const page = await eventually(async () => {
    const families = parsePrometheusText((await call(adminPort, { path: '/stats/prometheus' })).body);
    return findSample(families, 'istio_tcp_connections_closed_total', labels) === 1 ? families : undefined;
  });
  expect(findSample(page, 'istio_tcp_connections_opened_total', labels)).toBe(1);
  expect(findSample(page, 'istio_tcp_received_bytes_total', labels)).toBeGreaterThan(10);
  expect(findSample(page, 'istio_tcp_sent_bytes_total', labels)).toBeGreaterThan(30);
  expect(page.get('istio_requests_total')?.samples ?? []).toEqual([]);
});

test.each([
  ['UH', async () => []],
  ['UF', async () => [await unusedPort()]],
] as const)(
  'a connection that reaches no endpoint (%s) counts for the version of its subset',
  async (flag, portsOf) => {
    const service = { host: 'db.prod.svc.cluster.local', name: 'db', namespace: 'prod' };
    const metadata = { filter_metadata: { istio: { services: [service], subset: 'next', version: 'v2' } } };
    const { server, adminPort } = await startProxy(
      bootstrapText(
        [tcpListener({ proxy: { cluster: 'db' }, traffic_direction: 'OUTBOUND' })],
        [staticCluster('db', await portsOf(), { metadata })],
      ),
    );
    await call(server.listeners.list()[0]?.port ?? 0, { path: '/x' }).catch(() => {});
    const labels = { reporter: 'source', destination_service_name: 'db', destination_version: 'v2' };
    await eventually(async () => {
      const families = parsePrometheusText((await call(adminPort, { path: '/stats/prometheus' })).body);
      const closed = families.get('istio_tcp_connections_closed_total')?.samples ?? [];
      expect(closed.map((sample) => sample.labels)).toEqual([expect.objectContaining(labels)]);
      expect(closed[0]?.labels['response_flags']).toContain(flag);
      return true;
    });
  },
);
