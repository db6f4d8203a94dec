/** Access logs that pilot has sidecars send to an access-log service: the mixer, which counts them. */
import { describe, expect, test } from 'vitest';
import type { MixerServer } from '../../mixer/server.ts';
import { findSample } from '../support/prometheus-text.ts';
import { requestsTotal, scrape, startMixer } from '../mixer/mesh-of-two.ts';
import { closeAfterTest } from '../support/closing.ts';
import { eventually } from '../support/mesh.ts';
import { besideEachSidecar, LiveMesh } from './live-mesh.ts';

const extensionProviders = [{ name: 'mixer', envoyHttpAls: { service: 'mixer.mesh', port: 15_030 } }];
const telemetry = (filter = ''): string => `
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: logs, namespace: default }
spec: { accessLogging: [{ providers: [{ name: mixer }]${filter} }] }
`;
const entry = ({ grpcPort }: MixerServer): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: mixer, namespace: default }
spec:
  hosts: [mixer.mesh]
  ports: [{ name: grpc, number: 15030, protocol: GRPC }]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{ address: 127.0.0.1, ports: { grpc: ${grpcPort} } }]
`;

async function start(filter?: string): Promise<{ readonly mesh: LiveMesh; readonly mixer: MixerServer }> {
  const mixer = closeAfterTest(await startMixer());
  const mesh = await LiveMesh.start({
    instances: [{ service: 'reviews', version: 'v2' }],
    yaml: entry(mixer) + telemetry(filter),
    pilot: { meshConfig: { extensionProviders } },
  });
  return { mesh, mixer };
}

/** Our sidecars count by themselves: their entries are taken, and not counted again. */
async function uncounted(mixer: MixerServer): Promise<number | undefined> {
  return findSample(await scrape(mixer), 'heddle_mixer_log_entries_total', { counted: 'false' });
}

besideEachSidecar((sidecar) => {
  describe('a Telemetry that names an access-log service', () => {
    test('has the sidecar tell it of each request, with the workload that answered', async () => {
      const { mesh, mixer } = await start();
      for (let i = 0; i < 3; i += 1) await mesh.call({});
      const labels = {
        reporter: 'source',
        source_workload: 'client-v1',
        destination_service: 'reviews.default.svc.cluster.local',
        destination_service_namespace: 'default',
        destination_version: 'v2',
        response_code: '200',
      };
      await eventually(async () => {
        if (sidecar === 'envoy') expect(await requestsTotal(mixer, labels)).toBe(3);
        else expect(await uncounted(mixer)).toBe(3);
        return true;
      });
      expect(await requestsTotal(mixer)).toBe(sidecar === 'envoy' ? 3 : 0);
    });

    test('tells of those requests only that its filter lets through', async () => {
      const { mesh, mixer } = await start(', filter: { expression: "response.code >= 400" }');
      await mesh.call({});
      await mesh.call({ host: 'nobody' });
      const labels = { reporter: 'source', response_code: '404', response_flags: 'NR' };
      await eventually(async () => {
        if (sidecar === 'envoy') expect(await requestsTotal(mixer, labels)).toBe(1);
        else expect(await uncounted(mixer)).toBe(1);
        return true;
      });
      expect(await requestsTotal(mixer)).toBe(sidecar === 'envoy' ? 1 : 0);
    });

    test('has applications that ask the service in HTTP/1.1 reach it in HTTP/2', async () => {
      const { mesh } = await start();
      // What is no call of gRPC it does not take.
      expect(await mesh.call({ host: 'mixer.mesh:15030' })).toMatchObject({ status: 415 });
    });
  });
});
