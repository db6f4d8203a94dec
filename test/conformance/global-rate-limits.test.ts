import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { MixerServer } from '../../mixer/server.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { closeAfterTest } from '../support/closing.ts';
import { eventually } from '../support/mesh.ts';
import { besideEachSidecar, LiveMesh } from './live-mesh.ts';

async function startMixer(): Promise<MixerServer> {
  const mixer = closeAfterTest(new MixerServer({ grpcPort: 0, metricsPort: 0, logger: silentLogger }));
  await mixer.start();
  return mixer;
}

/** A client's sidecar that has its quotas from `mixer`. */
function startMesh({ grpcPort }: MixerServer, limit: string): Promise<LiveMesh> {
  return LiveMesh.start({
    instances: [{ service: 'reviews' }],
    pilot: { mixerAddress: { address: '127.0.0.1', port: grpcPort } },
    yaml: `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: RateLimit
metadata: { name: limit, namespace: default }
spec: ${limit}
`,
  });
}

async function statuses(mesh: LiveMesh, count: number, headers: Record<string, string> = {}): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < count; i += 1) found.push((await mesh.call({ host: 'reviews', headers })).status);
  return found;
}

const passedOf = (all: readonly number[]): number => all.filter((status) => status === 200).length;

/** Until a sidecar of ours has its slice, which it asks for with its first request. Envoy asks about each request. */
async function settled(mesh: LiveMesh): Promise<void> {
  if ((await mesh.stat('server.concurrency')) > 0) return;
  await eventually(async () => ((await mesh.stat('rate_limit_quota.heddle.assignments')) > 0 ? true : undefined));
}

besideEachSidecar(() => {
  describe('B14: a RateLimit of scope GLOBAL', () => {
    test('passes its requests per interval and answers the others with 429', async () => {
      const mesh = await startMesh(await startMixer(), '{ host: reviews, requests: 5, interval: 1h, scope: GLOBAL }');
      expect(await statuses(mesh, 1)).toEqual([200]);
      await settled(mesh);
      expect(await statuses(mesh, 8)).toEqual([200, 200, 200, 200, 429, 429, 429, 429]);
    });

    test('of a header is about requests that have it', async () => {
      const limit =
        '{ host: reviews, headers: { x-tenant: { exact: big } }, requests: 1, interval: 1h, scope: GLOBAL }';
      const mesh = await startMesh(await startMixer(), limit);
      const headers = { 'x-tenant': 'big' };
      expect(await statuses(mesh, 1, headers)).toEqual([200]);
      await settled(mesh);
      expect(await statuses(mesh, 3, headers)).toEqual([429, 429, 429]);
      expect(await statuses(mesh, 3, { 'x-tenant': 'small' })).toEqual([200, 200, 200]);
    });

    test('of methods and paths is about requests with one of each', async () => {
      const of = 'methods: [POST, PUT], paths: [{ exact: /buy }, { regex: "/orders/[0-9]+" }]';
      const limit = `{ host: reviews, ${of}, requests: 1, interval: 1h, scope: GLOBAL }`;
      const mesh = await startMesh(await startMixer(), limit);
      const statusOf = async (method: string, path: string) =>
        (await mesh.call({ host: 'reviews', method, path })).status;
      expect(await statusOf('POST', '/buy')).toBe(200);
      await settled(mesh);
      expect([await statusOf('POST', '/buy?a=/'), await statusOf('PUT', '/orders/7')]).toEqual([429, 429]);
      expect([await statusOf('GET', '/buy'), await statusOf('PUT', '/orders/a')]).toEqual([200, 200]);
    });

    test('in SHADOW mode lets everything pass', async () => {
      const limit = '{ host: reviews, requests: 1, interval: 1h, scope: GLOBAL, mode: SHADOW }';
      const mesh = await startMesh(await startMixer(), limit);
      expect(await statuses(mesh, 1)).toEqual([200]);
      await settled(mesh);
      expect(passedOf(await statuses(mesh, 5))).toBe(5);
    });

    test('holds for all clients together', async () => {
      const mixer = await startMixer();
      const limit = '{ host: reviews, requests: 6, interval: 1h, scope: GLOBAL }';
      const meshes = [await startMesh(mixer, limit), await startMesh(mixer, limit)];
      let passed = 0;
      for (const mesh of meshes) {
        passed += passedOf(await statuses(mesh, 1));
        await settled(mesh);
      }
      for (let round = 0; round < 12; round += 1) {
        await sleep(150);
        for (const mesh of meshes) passed += passedOf(await statuses(mesh, 2));
      }
      // One more where the first request of a sidecar comes while another holds all slices: it is charged afterwards.
      expect(passed).toBeGreaterThanOrEqual(6);
      expect(passed).toBeLessThanOrEqual(7);
    });

    test('that fails closed refuses when mixer is gone, and holds again when it is back', async () => {
      const mixer = await startMixer();
      const { grpcPort } = mixer;
      const limit = '{ host: reviews, requests: 1000, interval: 1s, scope: GLOBAL, onUnavailable: failClosed }';
      const mesh = await startMesh(mixer, limit);
      await eventually(async () => ((await statuses(mesh, 1))[0] === 200 ? true : undefined));
      await mixer.close();
      // Envoy takes a failure of the service that it must ask for an internal error.
      await eventually(async () => ([429, 500].includes((await statuses(mesh, 1))[0] ?? 0) ? true : undefined));
      const next = closeAfterTest(new MixerServer({ grpcPort, metricsPort: 0, logger: silentLogger }));
      await next.start();
      await eventually(async () => ((await statuses(mesh, 1))[0] === 200 ? true : undefined));
    });

    test('that fails open lets requests pass when mixer is gone', async () => {
      const mixer = await startMixer();
      const mesh = await startMesh(mixer, '{ host: reviews, requests: 1000, interval: 1s, scope: GLOBAL }');
      expect(await statuses(mesh, 1)).toEqual([200]);
      await mixer.close();
      expect(passedOf(await statuses(mesh, 20))).toBe(20);
    });
  });
});
