/** gRPC between programs in pods, whose connections sidecars take over without their knowing: rules hold for each call. */
import { expect, test, type TestContext, vi } from 'vitest';
import { closeAfterTest } from '../support/closing.ts';
import type { Report } from '../support/grpc/cart-program.ts';
import { compiled } from '../support/mesh.ts';
import { requirePeers } from '../support/peers.ts';
import { patience, type Pod, requirePods } from '../support/pods.ts';
import { PodMesh } from '../support/pod-mesh.ts';

vi.setConfig({ testTimeout: 120_000 });

const program = [process.execPath, compiled('test/support/grpc/cart-program.js')];
const port = 50_051;

const cart = `
apiVersion: v1
kind: Service
metadata: { name: cart }
spec: { clusterIP: 10.96.0.10, selector: { app: cart }, ports: [{ name: grpc, port: ${port} }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: cart }
spec:
  host: cart
  trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`;

const rules = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: cart }
spec: { hosts: [cart], http: ${http} }
`;

/** Two versions of a server, and a pod that calls them. */
async function start(context: TestContext): Promise<{ readonly mesh: PodMesh; readonly caller: Pod }> {
  requirePods(context);
  requirePeers(context, 'curl');
  const mesh = closeAfterTest(await PodMesh.start());
  await mesh.apply(cart);
  for (const version of ['v1', 'v2']) {
    await mesh.addWorkload({ service: 'cart', version, port, command: [...program, 'serve', String(port), version] });
  }
  return { mesh, caller: await mesh.addWorkload({ service: 'shell', files: { hosts: '10.96.0.10 cart\n' } }) };
}

/** What a client says that asks for the server by its name. */
async function report(caller: Pod, count: number, field = ''): Promise<Report> {
  return JSON.parse(await caller.require([...program, 'call', `cart:${port}`, String(count), field])) as Report;
}

test('the calls of one connection are balanced, split and matched, each for itself', async (context) => {
  const { mesh, caller } = await start(context);
  const chatWith = (version: string): string[] => [`${version} 0`, `${version} 1`, `${version} 2`, 'OK'];
  await expect.poll(async () => (await report(caller, 20)).shares, patience).toEqual({ v1: 10, v2: 10 });

  const to = (subset: string): string => `route: [{ destination: { host: cart, subset: ${subset} } }]`;
  const jason = 'match: [{ headers: { end-user: { exact: jason } } }]';
  await mesh.apply(rules(`[{ ${jason}, ${to('v2')} }, { ${to('v1')} }]`));
  await expect
    .poll(() => report(caller, 20, 'end-user=jason'), patience)
    .toEqual({ shares: { v2: 20 }, chat: chatWith('v2') });
  expect(await report(caller, 20)).toEqual({ shares: { v1: 20 }, chat: chatWith('v1') });

  const weight = (subset: string, share: number): string =>
    `{ destination: { host: cart, subset: ${subset} }, weight: ${share} }`;
  await mesh.apply(rules(`[{ route: [${weight('v1', 90)}, ${weight('v2', 10)}] }]`));
  await expect.poll(async () => Object.keys((await report(caller, 100)).shares).sort(), patience).toEqual(['v1', 'v2']);
  const { v1 = 0, v2 = 0 } = (await report(caller, 400)).shares;
  expect(v1 + v2).toBe(400);
  expect(v2 / 400).toBeGreaterThan(0.04);
  expect(v2 / 400).toBeLessThan(0.18);
});
