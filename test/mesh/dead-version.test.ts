import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, fetchText, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { sumRequests } from '../support/request-counts.ts';
import type { Client } from '../support/traffic.ts';
import { unusedPort } from '../support/unused-port.ts';

let mesh: Mesh;
let caller: RunningSidecar;
let client: Client;
let backend: Server;

const to = (subset: string): string =>
  `{ match: [{ headers: { to: { exact: ${subset} } } }], route: [{ destination: { host: reviews.shop, subset: ${subset} } }] }`;

/** v1 answers, v2 listens no more, v3 has no endpoint. */
beforeAll(async () => {
  backend = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
  mesh = await Mesh.create();
  await mesh.startControlPlane();
  const live = (backend.address() as AddressInfo).port;
  const endpoint = (version: string, port: number): string =>
    `{ address: 127.0.0.1, ports: { http: ${port} }, labels: { version: ${version} } }`;
  await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: reviews }
spec:
  hosts: [reviews.shop]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [${endpoint('v1', live)}, ${endpoint('v2', await unusedPort())}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews.shop
  subsets: [${['v1', 'v2', 'v3'].map((version) => `{ name: ${version}, labels: { version: ${version} } }`).join(', ')}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec: { hosts: [reviews.shop], http: [${['v1', 'v2', 'v3'].map(to).join(', ')}] }
`);
  caller = await mesh.startSidecar({ service: 'web', hasApplication: false });
  client = mesh.connect(caller, 'reviews.shop');
  await eventually(async () => ((await client.call({ to: 'v1' })).status === 200 ? true : undefined));
});

afterAll(async () => {
  await mesh.close();
  backend.close();
});

test('requests that nobody answers count for the version that they were for', async () => {
  for (const version of ['v2', 'v3']) {
    for (let i = 0; i < 5; i += 1) expect((await client.call({ to: version })).status).toBe(503);
  }
  const page = await fetchText(`${caller.adminUrl}/stats/prometheus`);
  const count = (version: string, response_flags: string): number =>
    sumRequests(page, {
      reporter: 'source',
      destination_service: 'reviews.shop',
      destination_version: version,
      response_flags,
    });
  expect(count('v2', 'UF,URX')).toBe(5);
  expect(count('v3', 'UH')).toBe(5);
  expect(sumRequests(page, { destination_version: 'unknown', destination_service: 'reviews.shop' })).toBe(0);
  await eventually(async () => {
    const whole = await fetchText(mesh.metricsUrl);
    expect(sumRequests(whole, { destination_version: 'v2', response_flags: 'UF,URX' })).toBe(5);
    expect(sumRequests(whole, { destination_version: 'v3', response_flags: 'UH' })).toBe(5);
    return true;
  });
});
