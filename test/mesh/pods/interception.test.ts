/** Unmodified programs in pods, whose connections a sidecar takes over without their knowing. */
import { expect, test, type TestContext } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { requirePeers } from '../../support/peers.ts';
import { patience, type Pod, requirePods } from '../../support/pods.ts';
import { PodMesh } from '../../support/pod-mesh.ts';

async function startMesh(context: TestContext): Promise<PodMesh> {
  requirePods(context);
  requirePeers(context, 'curl', 'python3');
  return closeAfterTest(await PodMesh.start());
}

const curl = ['curl', '--silent', '--show-error', '--max-time', '5'];

/** Answers every request with `name`. */
const answering = (name: string, port: number): string[] => [
  process.execPath,
  '-e',
  `require('http').createServer((_, answer) => answer.end(${JSON.stringify(name)})).listen(${port}, '0.0.0.0')`,
];

const reviews = `
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { clusterIP: 10.96.0.10, selector: { app: reviews }, ports: [{ name: http, port: 9080 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }] }
`;

const rules = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec: { hosts: [reviews], http: ${http} }
`;

async function addReviews(mesh: PodMesh): Promise<void> {
  await mesh.apply(reviews);
  for (const version of ['v1', 'v2']) {
    await mesh.addWorkload({ service: 'reviews', version, port: 9080, command: answering(version, 9080) });
  }
}

const hosts = '10.96.0.10 reviews\n10.96.0.20 echo\n10.96.0.30 cache\n';

async function split(caller: Pod, requests: number, ...args: string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const url = 'http://reviews:9080/';
  const urls = Array.from({ length: requests }, () => url);
  const text = await caller.require([...curl, '--max-time', '60', '--write-out', '\\n', ...args, ...urls]);
  for (const line of text.trim().split('\n')) counts[line] = (counts[line] ?? 0) + 1;
  return counts;
}

test('curl and a service are split 95 to 5 and matched by a header, and neither knows', async (context) => {
  const mesh = await startMesh(context);
  await addReviews(mesh);
  const caller = await mesh.addWorkload({ service: 'shell', files: { hosts } });
  await mesh.apply(
    rules(
      '[{ match: [{ headers: { end-user: { exact: jason } } }], route: [{ destination: { host: reviews, subset: v2 } }] }, { route: [{ destination: { host: reviews, subset: v1 }, weight: 95 }, { destination: { host: reviews, subset: v2 }, weight: 5 }] }]',
    ),
  );
  await expect.poll(() => split(caller, 20, '--header', 'end-user: jason'), patience).toEqual({ v2: 20 });
  const { v1 = 0, v2 = 0 } = await split(caller, 1_000);
  // The standard deviation is 7.
  expect(v1 + v2).toBe(1_000);
  expect(v2).toBeGreaterThan(15);
  expect(v2).toBeLessThan(100);
});
