import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { countVersions } from '../support/traffic.ts';

let mesh: Mesh;
let near: RunningSidecar;

const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec: { host: reviews, trafficPolicy: { outlierDetection: {} } }
`;

beforeAll(async () => {
  mesh = await Mesh.create();
  await mesh.startControlPlane();
  near = await mesh.startSidecar({ service: 'reviews', version: 'near', locality: 'r1/a' });
  await mesh.startSidecar({ service: 'reviews', version: 'far', locality: 'r2' });
});

afterAll(() => mesh.close());

test('D7: requests stay where their client runs, go elsewhere when nobody is left there, and come back', async () => {
  const caller = await mesh.startSidecar({ service: 'web', locality: 'r1/a/x', hasApplication: false });
  const client = mesh.connect(caller, 'reviews');
  const settlesAt = (expected: Record<string, number>): Promise<true> =>
    eventually(async () => {
      const counts = countVersions(await client.callMany(20));
      return JSON.stringify(counts) === JSON.stringify(expected) ? true : undefined;
    });
  await eventually(async () => (Object.keys(countVersions(await client.callMany(20))).length === 2 ? true : undefined));
  await mesh.apply(rule);
  await settlesAt({ near: 20 });
  await mesh.destroy(near);
  await settlesAt({ far: 20 });
  near = await mesh.startSidecar({ service: 'reviews', version: 'near', locality: 'r1/a' });
  await settlesAt({ near: 20 });
  expect(countVersions(await client.callMany(100))).toEqual({ near: 100 });
});
