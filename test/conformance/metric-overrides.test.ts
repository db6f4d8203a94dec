/** What a Telemetry changes of metrics, from YAML to the counts of a sidecar. */
import { describe, expect, test } from 'vitest';
import { fetchText } from '../support/mesh.ts';
import { parsePrometheusText, type TextSample } from '../support/prometheus-text.ts';
import { besideEachSidecar, LiveMesh } from './live-mesh.ts';

const telemetry = (name: string, namespace: string, overrides: string): string => `
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${name}, namespace: ${namespace} }
spec: { metrics: [{ providers: [{ name: prometheus }], overrides: ${overrides} }] }
`;

async function samplesOf(mesh: LiveMesh, metric: string): Promise<readonly TextSample[]> {
  const families = parsePrometheusText(await fetchText(`${mesh.adminUrl}/stats/prometheus`));
  return families.get(metric)?.samples.filter(({ labels }) => labels['source_workload'] === 'client-v1') ?? [];
}

describe('a Telemetry with overrides of metrics', () => {
  test('changes labels and leaves metrics out, wide before narrow, and its end undoes it', async () => {
    const mesh = await LiveMesh.start({
      instances: [{ service: 'reviews' }],
      yaml:
        telemetry(
          'mesh',
          'istio-system',
          '[{ tagOverrides: { zone: { value: "\'a\'" }, request_protocol: { operation: REMOVE } } }]',
        ) +
        telemetry(
          'own',
          'default',
          '[{ match: { mode: CLIENT }, tagOverrides: { zone: { value: "\'b\'" } } }, { match: { metric: REQUEST_SIZE, mode: CLIENT }, disabled: true }]',
        ),
    });
    await mesh.call({});
    const [sample] = await samplesOf(mesh, 'istio_requests_total');
    expect(sample).toMatchObject({ value: 1, labels: { zone: 'b', reporter: 'source' } });
    expect(sample?.labels).not.toHaveProperty('request_protocol');
    expect(await samplesOf(mesh, 'istio_request_bytes')).toEqual([]);
    expect(await samplesOf(mesh, 'istio_response_bytes')).not.toEqual([]);
    await mesh.apply(telemetry('own', 'default', '[]') + telemetry('mesh', 'istio-system', '[]'));
    await mesh.call({});
    const plain = (await samplesOf(mesh, 'istio_requests_total')).filter(({ labels }) => labels['zone'] === undefined);
    expect(plain).toMatchObject([{ value: 1, labels: { request_protocol: 'http' } }]);
    expect(await samplesOf(mesh, 'istio_request_bytes')).not.toEqual([]);
  });
});

test('A Telemetry may change the labels of one metric, which then sums up what differs in nothing else', async () => {
  const without = '{ response_code: { operation: REMOVE }, zone: { value: \'"a"\' } }';
  const own = `[{ match: { metric: RESPONSE_SIZE, mode: CLIENT }, tagOverrides: ${without} }]`;
  const mesh = await LiveMesh.start({
    instances: [{ service: 'reviews' }],
    yaml: telemetry('own', 'default', own),
  });
  await mesh.call({});
  const [count] = await samplesOf(mesh, 'istio_requests_total');
  expect(count?.labels).toMatchObject({ response_code: '200' });
  expect(count?.labels).not.toHaveProperty('zone');
  const [size] = await samplesOf(mesh, 'istio_response_bytes');
  expect(size?.labels).toMatchObject({ zone: 'a' });
  expect(size?.labels).not.toHaveProperty('response_code');
});

besideEachSidecar(() => {
  test('takes the listeners of overridden metrics, and serves', async () => {
    const yaml = telemetry('own', 'default', '[{ disabled: true, tagOverrides: { a: { operation: REMOVE } } }]');
    const mesh = await LiveMesh.start({ instances: [{ service: 'reviews' }], yaml });
    expect(await mesh.call({})).toMatchObject({ status: 200, landed: 'reviews-v1' });
  });
});
