/** Zone aware routing beside a real Envoy: one bootstrap for both, and which part of the requests stays in the zone. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { expect, test } from 'vitest';
import type { Bootstrap, Cluster, LocalityLbEndpoints } from '../../../proxy/api/envoy.gen.ts';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { httpListener, loadAssignment, routeTo } from '../../support/envoy-json.ts';
import { startEnvoy } from '../../support/envoy.ts';
import { startProxy } from '../../support/in-process-proxy.ts';
import { requirePeers } from '../../support/peers.ts';
import { unusedPort } from '../../support/unused-port.ts';

interface Case {
  readonly name: string;
  /** Hosts of the cluster, and of the local cluster, in the zones a (the proxy's), b and c. */
  readonly upstream: readonly number[];
  readonly local: readonly number[];
  readonly zoneAware?: object;
  /** Part of the requests for zone a, of 1. */
  readonly expected: number;
}

const cases: readonly Case[] = [
  { name: 'fair', upstream: [2, 2, 2], local: [1, 1, 1], expected: 1 },
  { name: 'crowded', upstream: [2, 2, 2], local: [4, 1, 1], expected: 0.5 },
  { name: 'absent', upstream: [0, 3, 3], local: [1, 1, 1], expected: 0 },
  { name: 'alone', upstream: [2, 2, 2], local: [3, 0, 0], expected: 1 / 3 },
  { name: 'nobody', upstream: [2, 2, 2], local: [0, 0, 0], expected: 1 / 3 },
  { name: 'foreign', upstream: [2, 2, 2], local: [0, 1, 1], expected: 1 / 3 },
  { name: 'small', upstream: [2, 2, 1], local: [1, 1, 1], expected: 0.4 },
  { name: 'small-enough', upstream: [2, 2, 1], local: [1, 1, 1], zoneAware: { min_cluster_size: 5 }, expected: 1 },
  { name: 'off', upstream: [2, 2, 2], local: [1, 1, 1], zoneAware: { routing_enabled: { value: 0 } }, expected: 1 / 3 },
];

/** `counts[i]` of the ports, in order, for the i-th zone. */
function groups(counts: readonly number[], ports: readonly number[]): LocalityLbEndpoints[] {
  let used = 0;
  return counts.flatMap((count, zone) => {
    const own = ports.slice(used, (used += count));
    return own.length === 0 ? [] : [{ locality: { region: 'r', zone: 'abc'[zone] ?? '' }, ...groupOf(own) }];
  });
}

function groupOf(ports: readonly number[]): LocalityLbEndpoints {
  return loadAssignment('', ports).endpoints?.[0] ?? {};
}

function clusterOf(name: string, endpoints: LocalityLbEndpoints[], zoneAware?: object): Cluster {
  return {
    name,
    type: 'STATIC',
    lb_policy: 'ROUND_ROBIN',
    connect_timeout: '1s',
    load_assignment: { ...loadAssignment(name, []), endpoints },
    ...(zoneAware === undefined ? {} : { common_lb_config: { zone_aware_lb_config: zoneAware } }),
  };
}

interface Ports {
  readonly listener: number;
  readonly admin: number;
  readonly hosts: readonly number[];
}

function bootstrapOf({ upstream, local, zoneAware }: Case, { listener, admin, hosts }: Ports): string {
  const routes = { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [routeTo('cluster')] }] };
  const callers = groups(local, [1, 2, 3, 4, 5, 6]);
  const bootstrap: Bootstrap = {
    node: { id: 'a', cluster: 'own', locality: { region: 'r', zone: 'a' } },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    cluster_manager: { local_cluster_name: 'own' },
    static_resources: {
      listeners: [httpListener({ name: 'http', port: listener, routes })],
      clusters: [clusterOf('own', callers), clusterOf('cluster', groups(upstream, hosts), zoneAware)],
    },
  };
  return JSON.stringify(bootstrap);
}

const requests = 600;

/** Part of the requests at `port` that the first `inZone` of the hosts get. */
async function shareAt(port: number, hosts: readonly Backend[], inZone: number): Promise<number> {
  const count = (): number => hosts.slice(0, inZone).reduce((sum, host) => sum + host.requests, 0);
  const before = count();
  const dispatcher = closeAfterTest(new Agent({ connections: 1 }));
  for (let i = 0; i < requests; i++) {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { dispatcher });
    expect(statusCode).toBe(200);
    await body.dump();
  }
  return (count() - before) / requests;
}

test.for(cases)('$name: the proxy and a real Envoy send the same part to their zone', async (given, context) => {
  requirePeers(context, 'envoy');
  const total = given.upstream.reduce((sum, count) => sum + count, 0);
  const hosts = await Promise.all(Array.from({ length: total }, async () => closeAfterTest(await Backend.start())));
  const ports = hosts.map(({ port }) => port);
  const [inZone = 0] = given.upstream;
  const proxy = await startProxy(bootstrapOf(given, { listener: 0, admin: 0, hosts: ports }));
  const own = await shareAt(proxy.port, hosts, inZone);
  const [listener, admin] = [await unusedPort(), await unusedPort()];
  const file = join(tmpdir(), `heddle-zones-${process.pid}.json`);
  await startEnvoy(file, bootstrapOf(given, { listener, admin, hosts: ports }), admin);
  const envoy = await shareAt(listener, hosts, inZone);
  expect(Math.abs(own - given.expected)).toBeLessThan(0.06);
  expect(Math.abs(envoy - given.expected)).toBeLessThan(0.06);
});
