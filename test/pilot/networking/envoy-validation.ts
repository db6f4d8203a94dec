/** What pilot makes for a node, as a real Envoy sees it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bootstrap, Cluster, Listener } from '../../../proxy/api/envoy.gen.ts';
import { encode } from '../../../proxy/api/protojson.ts';
import type { NodeResources } from './interception.ts';

/** Rejects when a real Envoy does not accept what a node gets. */
export async function validateWithEnvoy(resources: NodeResources): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-envoy-'));
  try {
    const file = join(dir, 'bootstrap.pb');
    writeFileSync(file, encode('envoy.config.bootstrap.v3.Bootstrap', staticBootstrap(resources)));
    const { stdout } = await promisify(execFile)('envoy', ['--mode', 'validate', '-c', file, '-l', 'error']);
    if (!/OK/.test(stdout)) throw new Error(stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** What ADS carries, written into one file: endpoints inside their clusters, routes inside their listeners. */
function staticBootstrap({ clusters, assignments, listeners, routes }: NodeResources): Bootstrap {
  const inlined = clusters.map((cluster): Cluster => {
    const load_assignment = assignments.find(({ cluster_name }) => cluster_name === cluster.name);
    if (load_assignment === undefined) return cluster;
    const { eds_cluster_config: _, ...rest } = cluster;
    return { ...rest, type: 'STATIC', load_assignment };
  });
  const text = JSON.stringify(listeners).replace(/"rds":\{.*?"route_config_name":"(.*?)"\}/g, (_, name: string) => {
    return `"route_config":${JSON.stringify(routes.find((one) => one.name === name))}`;
  });
  return {
    node: { id: 'test', cluster: 'test' },
    static_resources: { clusters: inlined, listeners: JSON.parse(text) as Listener[] },
  };
}
