/**
 * A mesh of pods: a control plane in one, and in each of the others a program that knows nothing of it, whose connections
 * `heddle capture` leads through a sidecar beside it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { compiled } from './mesh.ts';
import { type Pod, PodNetwork } from './pods.ts';

const xdsPort = 15_010;
const restPort = 15_080;
const metricsPort = 15_014;
/** Istio's user for sidecars, whose own connections are not captured. */
const proxyUid = 1_337;
const heddle = [process.execPath, compiled('pilot/cli/main.js')];

export interface WorkloadPlan {
  readonly service: string;
  readonly version?: string;
  /** Where its program listens; default: it only makes calls. */
  readonly port?: number;
  /** Further ports of it. */
  readonly appPorts?: readonly number[];
  /** The program; default: none, calls are made with `pod.run`. */
  readonly command?: readonly string[];
  /** Whose program it is; default root's. */
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly files?: Readonly<Record<string, string>>;
  readonly mode?: 'REDIRECT' | 'TPROXY';
  /** Of this very instance; default: made up. */
  readonly name?: string;
  /** Its sidecar answers its DNS queries. */
  readonly dns?: boolean;
  /** As many machines are configured. */
  readonly withoutIPv6?: boolean;
}

export class PodMesh {
  readonly network = new PodNetwork();
  readonly pilot: Pod;
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'heddle-pods-'));
  #names = 0;

  private constructor() {
    this.pilot = this.network.addPod('pilot');
  }

  /** `optionsOf`: further options of `heddle up`. */
  static async start(optionsOf: (pilot: Pod) => readonly string[] = () => []): Promise<PodMesh> {
    const mesh = new PodMesh();
    const { pilot } = mesh;
    pilot.start([...heddle, 'up', '--host', pilot.address, '--data-dir', mesh.#dataDir, ...optionsOf(pilot)]);
    await pilot.listens(restPort);
    return mesh;
  }

  /** What `heddle apply` asks pilot for; curl starts much faster. */
  async apply(yaml: string): Promise<void> {
    const url = `http://${this.pilot.address}:${restPort}/apply`;
    const post = ['--header', 'content-type: application/json', '--data-binary', '@-', url];
    const curl = ['curl', '--silent', '--show-error', '--fail-with-body', ...post];
    await this.pilot.require(curl, { stdin: JSON.stringify(loadAll(yaml)) });
  }

  /** A pod with its program and its sidecar, when both are ready and captured. */
  async addWorkload(plan: WorkloadPlan): Promise<Pod> {
    const { service, version, port, appPorts = [], command, user = {}, mode = 'REDIRECT', dns = false } = plan;
    this.#names += 1;
    const pod = this.network.addPod(`${service}${version ?? ''}-${this.#names}`.slice(0, 20), plan.files ?? {});
    if (plan.withoutIPv6 === true) await pod.require(['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1']);
    if (command !== undefined) pod.start(command, user);
    if (port !== undefined) await pod.listens(port);
    await pod.require([...heddle, 'capture', '--interception-mode', mode, ...(dns ? ['--redirect-dns'] : [])]);
    const named = Object.entries({ version, name: plan.name }).filter(([, value]) => value !== undefined);
    const identity = ['--service', service, ...named.flatMap(([flag, value = '']) => [`--${flag}`, value])];
    const place = ['--address', pod.address, '--pilot', `${this.pilot.address}:${xdsPort}`];
    const further = appPorts.flatMap((each) => ['--app-port', String(each)]);
    const serving = [...(port === undefined ? [] : ['--port', String(port)]), ...further];
    const options = [...serving, '--interception-mode', mode, ...(dns ? ['--dns-capture'] : [])];
    const sidecar = [...heddle, 'run', ...identity, ...place, ...options];
    // Transparent sockets take a capability that only root has; the group tells whose connections they are.
    pod.start(sidecar, mode === 'TPROXY' ? { gid: proxyUid } : { uid: proxyUid, gid: proxyUid });
    await pod.listens(15_001);
    if (port !== undefined) await pod.listens(15_006);
    if (dns) await pod.listens(15_053);
    return pod;
  }

  /** What Prometheus would scrape of the mixer. */
  metrics(): Promise<string> {
    return this.pilot.require(['curl', '--silent', `http://${this.pilot.address}:${metricsPort}/metrics`]);
  }

  async close(): Promise<void> {
    await this.network.close();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}
