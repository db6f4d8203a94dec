/**
 * YAML in → call → where it landed. Users' resources and a list of workloads go through everything that decides about a
 * request: validation, push context, translation, the bytes on the wire, the proxy's decoders, its make-before-break
 * application, its HTTP connection manager with the router, clusters and pickers. Only sockets are left out: the hosts'
 * connections are the offline proxy's, and workloads answer, refuse or stay silent there.
 */
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { requireValue } from '../../proxy/common/decoded.ts';
import type { Workload } from '../../pilot/model/workload.ts';
import { discover } from '../../pilot/registry/service-discovery.ts';
import { findUnsupported, validateResource } from '../../crds/validate.ts';
import { parseManifest } from '../../crds/manifest.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { Resource } from '../../crds/resource.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { clientMetadata, type SimulatedWorkload, workloadAt } from './simulated-workload.ts';
import { type Attempt, type Landing, SimulatedProxy, type SimulatedRequest } from './simulated-proxy.ts';
import { pushTo } from '../../pilot/cli/offline/push.ts';

export interface SimulationInput {
  /** Documents in YAML; each is a second younger than the one before it. */
  readonly yaml?: string;
  readonly workloads?: readonly SimulatedWorkload[];
  readonly client?: Partial<NodeMetadata>;
  readonly seed?: number;
  readonly meshConfig?: MeshConfig;
  /** What DNS knows: addresses by name. Others do not exist. */
  readonly dns?: Readonly<Record<string, readonly string[]>>;
}

/** How long a request may take on the simulation's clock. */
const patienceMs = 60_000;
const stepMs = 5;

export class Simulation {
  readonly clock = new ManualClock();
  readonly #proxy: SimulatedProxy;
  readonly #client: NodeMetadata;
  readonly #workloads: readonly Workload[];
  readonly #meshConfig: MeshConfig;
  #revision = 0;
  #yaml: string;

  private constructor({
    yaml = '',
    workloads = [],
    client = {},
    seed = 1,
    meshConfig = {},
    dns = {},
  }: SimulationInput) {
    this.#meshConfig = meshConfig;
    this.#yaml = yaml;
    this.#workloads = workloads.map(workloadAt);
    this.#client = clientMetadata(client);
    const workloadsByAddress = new Map(workloads.map((workload, i) => [workloadAt(workload, i).address, workload]));
    this.#proxy = new SimulatedProxy({
      place: this.#client.locality,
      clock: this.clock,
      random: seededRandom(seed),
      workloadsByAddress,
      dns,
    });
  }

  /** A client's proxy that has all of its configuration. Rejects when a resource is invalid or the proxy refuses one. */
  static async start(input: SimulationInput): Promise<Simulation> {
    const simulation = new Simulation(input);
    await simulation.apply('');
    return simulation;
  }

  /** Adds resources, which are in force in the proxy when this resolves: the clock is turned until clusters are warm. */
  async apply(yaml: string): Promise<void> {
    this.#yaml = `${this.#yaml}\n---\n${yaml}`;
    this.#revision += 1;
    const push = discover({
      revision: this.#revision,
      resources: resourcesOf(this.#yaml),
      workloads: this.#workloads,
      meshConfig: this.#meshConfig,
    });
    await pushTo(this.#proxy.configuration, this.#client, push);
    while (this.#proxy.isWarming) this.clock.advance(stepMs);
  }

  /** Sends one request and lets it run; the returned function tells where it landed, undefined while it has not. */
  begin(request: SimulatedRequest): () => Landing | undefined {
    return this.#proxy.send(request);
  }

  /** Where one request lands. The clock is turned for as long as it takes. */
  call(request: SimulatedRequest): Landing {
    const landing = this.#proxy.send(request);
    for (let waitedMs = 0; waitedMs <= patienceMs; waitedMs += stepMs) {
      const landed = landing();
      if (landed !== undefined) return landed;
      this.clock.advance(stepMs);
    }
    throw new Error(`nobody answers ${JSON.stringify(request)}`);
  }

  /** Everything that went upstream so far, copies and the proxy's own requests too. */
  get sent(): readonly Attempt[] {
    return this.#proxy.sent;
  }

  /** A statistic of the client's proxy. */
  stat(name: string): number | undefined {
    return this.#proxy.stat(name);
  }

  /** How many of `count` requests each version got; requests that no workload answered count under their flag. */
  share(count: number, request: SimulatedRequest): Record<string, number> {
    const shares: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const { version, flag } = this.call(request);
      const key = version ?? flag;
      shares[key] = (shares[key] ?? 0) + 1;
    }
    return shares;
  }
}

/** As `apply` checks them; the later of two documents of one name replaces the earlier one. */
export function resourcesOf(yaml: string): Resource[] {
  const manifest = parseManifest('simulation.yaml', yaml);
  if (manifest.errors.length > 0) throw new Error(JSON.stringify(manifest.errors));
  const resources = new Map<string, Resource>();
  manifest.documents.forEach((document, i) => {
    const { resource } = requireValue(validateResource(document.resource), `line ${document.line}`);
    const unsupported = findUnsupported(document.resource);
    if (unsupported.length > 0) throw new Error(JSON.stringify(unsupported));
    const { kind, metadata } = resource;
    const key = `${kind} ${metadata.namespace}/${metadata.name}`;
    const creationTimestamp = new Date(Date.UTC(2026, 0, 1, 0, 0, i)).toISOString();
    const stored = { uid: key, resourceVersion: String(i), generation: 1, creationTimestamp };
    // As whoever drives a release writes it.
    const { status } = document.resource as Pick<Resource, 'status'>;
    resources.set(key, {
      ...resource,
      metadata: { ...metadata, ...stored },
      ...(status === undefined ? {} : { status }),
    });
  });
  return [...resources.values()];
}
