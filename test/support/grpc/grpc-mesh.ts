/** A mesh in which `cart` is a service of gRPC, on the harness of all conformance tests. */
import { join } from 'node:path';
import type { PilotOptions } from '../../../pilot/options.ts';
import { buildSidecarBootstrap } from '../../../pilot/cli/sidecar-bootstrap.ts';
import type { ProxyServer } from '../../../proxy/server.ts';
import type { ApplicationProtocol } from '../../../proxy/api/node.ts';
import { LiveMesh, type LiveMeshInput, type Sidecar } from '../../conformance/live-mesh.ts';
import { destinationRule, kubernetesService } from '../../simulation/yaml.ts';
import { startEnvoy } from '../envoy.ts';
import { createProxy } from '../in-process-proxy.ts';
import { eventually } from '../mesh.ts';
import { temporaryFolder } from '../pki.ts';
import { unusedPorts } from '../unused-port.ts';
import { GrpcClient } from './grpc-client.ts';

/** Of the service `cart`. */
export const grpcPort = 50_051;
/** Where a call of `cart` is addressed to. */
export const cartAuthority = `cart:${grpcPort}`;

export const clusterOf = (service: string, subset = ''): string =>
  `outbound|${grpcPort}|${subset}|${service}.default.svc.cluster.local`;

/** Subsets v1 and v2 of `cart`, by version. */
export const cartSubsets: string = destinationRule(
  'cart',
  'subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]',
  { name: 'subsets' },
);

export const toCart = 'route: [{ destination: { host: cart } }]';
export const toSubset = (subset: string): string => `route: [{ destination: { host: cart, subset: ${subset} } }]`;
export const splitOf = (v1: number, v2: number): string =>
  `[{ route: [{ destination: { host: cart, subset: v1 }, weight: ${v1} }, { destination: { host: cart, subset: v2 }, weight: ${v2} }] }]`;

/** Somebody who listens on a port of this machine. */
export interface Server {
  readonly version: string;
  readonly port: number;
}

/** A service whose port is called `grpc`, and servers of it without sidecars. */
export function grpcService(service: string, servers: readonly Server[] = []): string {
  const workloads = servers.map(
    ({ version, port }, i) => `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${service}-${version}-${i}, namespace: default }
spec: { address: 127.0.0.1, ports: { grpc: ${port} }, labels: { app: ${service}, version: ${version} } }
`,
  );
  return kubernetesService(service, `[{ name: grpc, port: ${grpcPort} }]`) + workloads.join('');
}

export interface GrpcMeshInput {
  /** Of `cart`, without sidecars. */
  readonly servers?: readonly Server[];
  readonly yaml?: string;
  readonly client?: LiveMeshInput['client'];
  readonly pilot?: Partial<PilotOptions>;
}

export interface GrpcMesh {
  readonly mesh: LiveMesh;
  /** One connection of the application beside the sidecar. */
  readonly client: GrpcClient;
  readonly xdsPort: number;
}

export async function startGrpcMesh({ servers = [], yaml = '', client = {}, pilot }: GrpcMeshInput): Promise<GrpcMesh> {
  const [xdsPort = 0] = await unusedPorts(1);
  const mesh = await LiveMesh.start({
    instances: [],
    yaml: grpcService('cart', servers) + yaml,
    client,
    pilot: { xdsPort, ...pilot },
  });
  return { mesh, client: new GrpcClient(mesh.outboundPort, cartAuthority), xdsPort };
}

export interface Workload {
  readonly service: string;
  readonly version: string;
  readonly appPort: number;
  /** Default: it does not say. */
  readonly protocol?: ApplicationProtocol;
}

export interface WorkloadSidecar {
  readonly inboundPort: number;
  readonly outboundPort: number;
  /** Undefined where it is an Envoy. */
  readonly proxy: ProxyServer | undefined;
}

/** A sidecar with an application, in rotation as soon as others hear of it. Ends with the test. */
export async function addWorkload(
  { mesh, xdsPort }: GrpcMesh,
  kind: Sidecar,
  workload: Workload,
): Promise<WorkloadSidecar> {
  const { service, version, appPort: app, protocol } = workload;
  const [inbound = 0, outbound = 0, admin = 0] = await unusedPorts(3);
  const identity = { service, namespace: 'default', version, labels: {}, instance: String(app), address: '127.0.0.1' };
  const pilot = { host: '127.0.0.1', port: xdsPort };
  const bootstrap = buildSidecarBootstrap({ identity, protocol, ports: { app, inbound, outbound, admin }, pilot });
  if (kind === 'heddle') {
    const proxy = createProxy(JSON.stringify(bootstrap));
    await proxy.start();
    await mesh.synced();
    return { inboundPort: inbound, outboundPort: outbound, proxy };
  }
  // It makes no probes: without the announcement of them it is in rotation when it has its listeners.
  const { PROXY_CONFIG: _, ...metadata } = bootstrap.node?.metadata ?? {};
  const plain = { ...bootstrap, node: { ...bootstrap.node, metadata } };
  await startEnvoy(join(temporaryFolder(), 'envoy.json'), JSON.stringify(plain), admin);
  await mesh.synced();
  return { inboundPort: inbound, outboundPort: outbound, proxy: undefined };
}

/** Resolves when the client's sidecar knows so many endpoints. */
export async function untilEndpoints(
  mesh: LiveMesh,
  count: number,
  cluster: string = clusterOf('cart'),
): Promise<void> {
  await eventually(async () => ((await mesh.stat(`cluster.${cluster}.membership_total`)) === count ? true : undefined));
}
