/**
 * The whole path in one process, over real sockets: YAML → pilot's REST API → push context → ADS over gRPC → a sidecar →
 * backends on loopback, which are Node's own HTTP servers. Everything ends with the test that started it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, describe, onTestFinished } from 'vitest';
import { buildSidecarBootstrap, type SidecarPlan } from '../../pilot/cli/sidecar-bootstrap.ts';
import type { PilotOptions } from '../../pilot/options.ts';
import { PilotServer } from '../../pilot/server.ts';
import type { ProxySyncStatus } from '../../pilot/xds/sync-status.ts';
import { type Clock, systemClock } from '../../proxy/common/clock.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { parseManifest } from '../../crds/manifest.ts';
import { Backend, type Echo, type Responder } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { call, type Answer, type Call } from '../support/http-call.ts';
import { startEnvoy } from '../support/envoy.ts';
import { createProxy } from '../support/in-process-proxy.ts';
import { eventually } from '../support/mesh.ts';
import { unusedPorts } from '../support/unused-port.ts';
import { requirePeers } from '../support/peers.ts';

/** An instance of a service, reached without a sidecar of its own. */
export interface Instance {
  readonly service: string;
  /** Default `v1`. */
  readonly version?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** What it answers; default an echo. `'refuses'`: nothing listens there. */
  readonly respond?: Responder | 'refuses';
}

export interface LiveMeshInput {
  readonly instances: readonly Instance[];
  /** Documents that are applied together with the instances. */
  readonly yaml?: string;
  readonly client?: ClientInput;
  readonly pilot?: Partial<PilotOptions>;
}

export interface ClientInput {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Port of the application beside the sidecar, which then has an inbound listener; default none. */
  readonly appPort?: number;
  /** Of our sidecar; default the system's. */
  readonly clock?: Clock;
}

/** An answer with what the backend was asked; undefined where the sidecar answered itself. */
export interface Landing extends Answer {
  readonly echo: Echo | undefined;
  /** `reviews-v2`: the instance that answered, by service and version. */
  readonly landed: string | undefined;
  /** Envoy's response flag of a local reply, from `x-heddle-reason`. */
  readonly flag: string | undefined;
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

export type Sidecar = 'heddle' | 'envoy';

/** What stands beside the client in the tests at hand. */
let sidecar: Sidecar = 'heddle';

/** Tests that hold beside our sidecar and beside an Envoy too, which pilot drives with the same resources. */
export function besideEachSidecar(body: (sidecar: Sidecar) => void): void {
  describe.each(['heddle', 'envoy'] as const)('%s', (name) => {
    beforeEach((context) => {
      if (name === 'envoy') requirePeers(context, 'envoy');
      sidecar = name;
    });
    afterEach(() => void (sidecar = 'heddle'));
    body(name);
  });
}

/** What the client sees of a local reply: only ours tells its flag. */
export function localReply(status: number, flag: string): Partial<Landing> {
  return sidecar === 'heddle' ? { status, flag } : { status };
}

interface Ports {
  readonly outbound: number;
  readonly inbound: number;
  readonly admin: number;
}

export class LiveMesh {
  readonly backends: readonly Backend[];
  readonly #pilot: PilotServer;
  readonly #ports: Ports;
  #sidecars = 0;

  private constructor(pilot: PilotServer, backends: readonly Backend[], ports: Ports) {
    this.#pilot = pilot;
    this.backends = backends;
    this.#ports = ports;
  }

  /** Resolves when the client's sidecar has everything. */
  static async start(input: LiveMeshInput): Promise<LiveMesh> {
    const { instances, yaml = '', client = {}, pilot: options = {} } = input;
    const dataDir = await temporaryFolder();
    const pilot = new PilotServer({ dataDir, restPort: 0, xdsPort: 0, logger: silentLogger, ...options });
    closeAfterTest(pilot);
    await pilot.start();
    const started = await Promise.all(instances.map(startInstance));
    const backends = started.map(({ backend }) => backend);
    const mesh = new LiveMesh(pilot, backends, await freePorts());
    await mesh.apply(started.map((instance, i) => workloadYaml(instance, i)).join('') + servicesYaml(instances) + yaml);
    await mesh.#startSidecar(sidecar, client, mesh.#ports);
    return mesh;
  }

  /** One more sidecar of the client, without an application. Resolves with the port where requests go out. */
  async addSidecar(kind: Sidecar): Promise<number> {
    const ports = await freePorts();
    await this.#startSidecar(kind, {}, ports);
    return ports.outbound;
  }

  /** A gateway for resources that select `istio: edge`. `portOffset` is added to their ports. */
  async addGateway(kind: Sidecar, portOffset: number): Promise<void> {
    const { admin } = await freePorts();
    await this.#run(kind, systemClock, {
      identity: { ...this.#identity('edge'), labels: { istio: 'edge' } },
      ports: { app: undefined, inbound: undefined, outbound: 0, admin },
      gateway: { portOffset, trustedProxies: 0 },
    });
  }

  async #startSidecar(kind: Sidecar, client: ClientInput, { outbound, inbound, admin }: Ports): Promise<void> {
    const { namespace = 'default', labels = {}, appPort, clock = systemClock } = client;
    await this.#run(kind, clock, {
      identity: { ...this.#identity('client'), namespace, labels },
      ports: { app: appPort, inbound: appPort === undefined ? undefined : inbound, outbound, admin },
    });
  }

  #identity(service: string): SidecarPlan['identity'] {
    this.#sidecars += 1;
    const instance = String(this.#sidecars);
    return { service, namespace: 'default', version: 'v1', labels: {}, instance, address: '127.0.0.1' };
  }

  async #run(kind: Sidecar, clock: Clock, plan: Omit<SidecarPlan, 'pilot'>): Promise<void> {
    const pilot = { host: '127.0.0.1', port: this.#pilot.xdsPort };
    const bootstrap = JSON.stringify(buildSidecarBootstrap({ ...plan, pilot }));
    const { admin } = plan.ports;
    if (kind === 'envoy') await startEnvoy(join(await temporaryFolder(), 'envoy.json'), bootstrap, admin);
    else await createProxy(bootstrap, { clock }).start();
    await this.synced();
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.#pilot.restPort}`;
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.#ports.admin}`;
  }

  /** Where an application sends its requests. */
  get outboundPort(): number {
    return this.#ports.outbound;
  }

  /** Where others send requests to the application; nobody listens there without one. */
  get inboundPort(): number {
    return this.#ports.inbound;
  }

  /** Applies all documents as one transaction and resolves when the sidecar has them. Rejects when they are refused. */
  async apply(yaml: string): Promise<readonly string[]> {
    const answer = await this.#post(yaml);
    if (answer.status >= 300) throw new Error(`${answer.status}: ${answer.message}`);
    await this.synced();
    return answer.warnings;
  }

  /** Of documents that pilot does not take. */
  async refusalOf(yaml: string): Promise<Refusal> {
    const { status, message } = await this.#post(yaml);
    return { status, message };
  }

  async #post(yaml: string): Promise<Refusal & { readonly warnings: readonly string[] }> {
    const { documents, errors } = parseManifest('test.yaml', yaml);
    if (errors.length > 0) throw new Error(JSON.stringify(errors));
    const response = await request(`${this.apiUrl}/apply`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(documents.map(({ resource }) => resource)),
    });
    const body = (await response.body.json()) as { message?: string; warnings?: readonly { message: string }[] };
    const warnings = (body.warnings ?? []).map(({ message }) => message);
    return { status: response.statusCode, message: body.message ?? '', warnings };
  }

  /** Resolves when every connected sidecar has acknowledged the latest of everything. */
  async synced(): Promise<void> {
    await eventually(async () => {
      const { body } = await request(`${this.apiUrl}/debug/syncz`);
      const statuses = (await body.json()) as readonly ProxySyncStatus[];
      const isSynced = statuses.every(({ types }) => Object.values(types).every(({ status }) => status !== 'STALE'));
      return isSynced ? true : undefined;
    });
  }

  /** One request of the application beside the sidecar. */
  async call(details: Call): Promise<Landing> {
    const answer = await call(this.#ports.outbound, { host: 'reviews', ...details });
    const reason = answer.headers['x-heddle-reason'];
    const flag = typeof reason === 'string' ? reason.split(' ', 1)[0] : undefined;
    const echo = flag === undefined ? readEcho(answer.body) : undefined;
    return { ...answer, echo, landed: echo?.name, flag };
  }

  /** How many of `count` requests landed where; those that nobody answered count under their flag or status. */
  async share(count: number, details: Call = {}): Promise<Record<string, number>> {
    const shares: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const { landed, flag, status } = await this.call(details);
      const key = landed ?? flag ?? String(status);
      shares[key] = (shares[key] ?? 0) + 1;
    }
    return shares;
  }

  /** A statistic of the sidecar; 0 when it does not exist. */
  async stat(name: string): Promise<number> {
    const { body } = await request(`${this.adminUrl}/stats`);
    const line = (await body.text()).split('\n').find((text) => text.startsWith(`${name}: `));
    return Number(line?.slice(name.length + 2) ?? 0);
  }
}

function readEcho(body: string): Echo | undefined {
  return body.startsWith('{"name"') ? (JSON.parse(body) as Echo) : undefined;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-live-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function freePorts(): Promise<Ports> {
  const [outbound = 0, admin = 0, inbound = 0] = await unusedPorts(3);
  return { outbound, admin, inbound };
}

interface StartedInstance {
  readonly instance: Instance;
  readonly backend: Backend;
  readonly port: number;
}

async function startInstance(instance: Instance): Promise<StartedInstance> {
  const { service, version = 'v1', respond } = instance;
  const backend = await Backend.start(`${service}-${version}`, respond === 'refuses' ? undefined : respond);
  const { port } = backend;
  if (respond === 'refuses') await backend.close();
  else closeAfterTest(backend);
  return { instance, backend, port };
}

function workloadYaml({ instance, port }: StartedInstance, index: number): string {
  const { service, version = 'v1', namespace = 'default', labels = {} } = instance;
  return `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${service}-${version}-${index}, namespace: ${namespace} }
spec: { address: 127.0.0.1, ports: { http: ${port} }, labels: ${JSON.stringify({ app: service, version, ...labels })} }
`;
}

function servicesYaml(instances: readonly Instance[]): string {
  const names = new Set(instances.map(({ service, namespace = 'default' }) => `${namespace}/${service}`));
  return [...names]
    .map((key) => {
      const [namespace, name] = key.split('/');
      return `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ports: [{ name: http, port: 80 }], selector: { app: ${name} } }
`;
    })
    .join('');
}
