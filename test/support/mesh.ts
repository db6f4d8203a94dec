/** A whole mesh of real processes, as users run them from `dist/`. Whatever was started is ended by `close`. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAll } from 'js-yaml';
import { request } from 'undici';
import { Child } from '../../examples/ftgo-canary/child.ts';
import type { ProxySyncStatus } from '../../pilot/xds/sync-status.ts';
import { unusedPorts } from './unused-port.ts';
import { Client, type Target } from './traffic.ts';

export const repositoryDir = fileURLToPath(new URL('../../', import.meta.url));
export const compiled = (path: string): string => join(repositoryDir, 'dist', path);
export const exampleFile = (path: string): string => join(repositoryDir, 'examples/ftgo-canary', path);
const heddle = compiled('pilot/cli/main.js');

export interface ControlPlanePorts {
  readonly rest: number;
  readonly xds: number;
  readonly metrics: number;
  readonly mixer: number;
}

export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
}

export interface SidecarOptions {
  readonly service: string;
  readonly version?: string;
  /** `region/zone/subzone`. */
  readonly locality?: string;
  /** Whether an echo application runs next to the sidecar; without one the sidecar only makes calls. */
  readonly hasApplication?: boolean;
  /** How long the application is busy before it listens; default 0. */
  readonly listenDelayMs?: number;
  /** Every so manyth answer of the application is a 500; default none is. */
  readonly failEvery?: number;
}

export interface RunningSidecar {
  readonly child: Child;
  /** Origins: `http://127.0.0.1:PORT`. */
  readonly outboundUrl: string;
  readonly adminUrl: string;
  /** `127.0.0.1:PORT`; undefined without an application. */
  readonly inbound: string | undefined;
  /** Process id of the echo application. */
  readonly applicationPid: number | undefined;
}

export class Mesh {
  readonly dir: string;
  readonly ports: ControlPlanePorts;
  readonly #children: Child[] = [];
  readonly #controlPlanes: Child[] = [];
  readonly #clients: Client[] = [];
  readonly #applicationPids = new Set<number>();

  private constructor(dir: string, ports: ControlPlanePorts) {
    this.dir = dir;
    this.ports = ports;
  }

  /** A mesh without any process yet: a directory and four ports that stay the same over restarts. */
  static async create(): Promise<Mesh> {
    const [rest = 0, xds = 0, metrics = 0, mixer = 0] = await unusedPorts(4);
    return new Mesh(await mkdtemp(join(tmpdir(), 'heddle-mesh-')), { rest, xds, metrics, mixer });
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.ports.rest}`;
  }

  get metricsUrl(): string {
    return `http://127.0.0.1:${this.ports.metrics}/metrics`;
  }

  get dataDir(): string {
    return join(this.dir, 'data');
  }

  /** `heddle up`, ready, with further options. */
  async startControlPlane(...options: string[]): Promise<Child> {
    const { rest, xds, metrics, mixer } = this.ports;
    const ports = ['--rest-port', rest, '--xds-port', xds, '--metrics-port', metrics, '--mixer-port', mixer].map(
      String,
    );
    const child = this.start('heddle up', [heddle, 'up', '--data-dir', this.dataDir, ...ports, ...options]);
    this.#controlPlanes.push(child);
    await child.waitForLine(/^heddle is up:/);
    return child;
  }

  /** `heddle run`, ready, its application listening and in rotation. */
  async startSidecar(options: SidecarOptions): Promise<RunningSidecar> {
    const { service, version = 'v1', locality, hasApplication = true, listenDelayMs = 0, failEvery = 0 } = options;
    const [port = 0] = await unusedPorts(1);
    const identity = ['--service', service, '--version', version, '--pilot', `127.0.0.1:${this.ports.xds}`];
    const application = [
      process.execPath,
      compiled('test/support/echo-application.js'),
      version,
      String(listenDelayMs),
      String(failEvery),
    ];
    const place = locality === undefined ? [] : ['--locality', locality];
    const rest = hasApplication ? ['--port', String(port), '--', ...application] : [];
    const child = this.start(`${service} ${version}`, [heddle, 'run', ...identity, ...place, ...rest]);
    const [, outboundUrl = '', inbound, adminUrl = ''] = await child.waitForLine(
      /is ready: outbound (\S+)(?: inbound (\S+))? admin (\S+)/,
    );
    const sidecar = { child, outboundUrl, adminUrl, inbound };
    if (!hasApplication) return { ...sidecar, applicationPid: undefined };
    const [, pid] = await child.waitForLine(/listens on \d+ pid (\d+)/);
    this.#applicationPids.add(Number(pid));
    await eventually(async () => ((await this.workloadStatus(child)) === 'IN ROTATION' ? true : undefined));
    return { ...sidecar, applicationPid: Number(pid) };
  }

  /** Whether pilot sends others to a sidecar's workload; undefined while the sidecar is not connected. */
  async workloadStatus(child: Child): Promise<ProxySyncStatus['workload']['status'] | undefined> {
    const statuses = JSON.parse(await fetchText(`${this.apiUrl}/debug/syncz`)) as readonly ProxySyncStatus[];
    const instance = `-${child.pid.toString(36)}.default`;
    return statuses.find(({ proxy }) => proxy.endsWith(instance))?.workload.status;
  }

  /** A client of `host` that calls through a sidecar, as an application beside it does. */
  connect({ outboundUrl }: RunningSidecar, host: string, target: Partial<Target> = {}): Client {
    const client = new Client({ url: outboundUrl, host, ...target });
    this.#clients.push(client);
    return client;
  }

  /** Runs one `heddle` command against this mesh's pilot to its end. */
  async heddle(...args: string[]): Promise<CommandResult> {
    const child = new Child({ name: 'heddle', args: [heddle, ...args], env: { HEDDLE_SERVER: this.apiUrl } });
    const { code } = await child.exited;
    return { code, output: child.output };
  }

  /** What `heddle apply` asks pilot for, without a process; rejects when it is refused. */
  async apply(...manifests: string[]): Promise<void> {
    const resources = manifests.flatMap((text) => loadAll(text));
    const { statusCode, body } = await request(`${this.apiUrl}/apply`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(resources),
    });
    const answer = await body.text();
    if (statusCode !== 200) throw new Error(`pilot answered with HTTP status ${statusCode}:\n${answer}`);
  }

  async applyExample(...files: string[]): Promise<void> {
    await this.apply(...(await Promise.all(files.map((file) => readFile(exampleFile(file), 'utf8')))));
  }

  async writeFile(name: string, text: string): Promise<string> {
    const path = join(this.dir, name);
    await writeFile(path, text);
    return path;
  }

  /** Any further process of this mesh. */
  start(name: string, args: readonly string[], env: Record<string, string> = {}): Child {
    const child = new Child({ name, args, env });
    this.#children.push(child);
    return child;
  }

  /** Kills a sidecar and its application without a word, as a machine that goes away does. */
  async destroy({ child, applicationPid }: RunningSidecar): Promise<void> {
    child.kill('SIGKILL');
    if (applicationPid !== undefined) {
      process.kill(applicationPid, 'SIGKILL');
      // Without its parent it stays in the table of processes until init looks after it.
      this.#applicationPids.delete(applicationPid);
    }
    await child.exited;
  }

  /** Ends every process and removes the directory; rejects when an application has outlived its sidecar. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    // Without a control plane a sidecar waits two seconds for it to hear that it leaves.
    await Promise.all(
      this.#children.filter((child) => !this.#controlPlanes.includes(child)).map((child) => child.end()),
    );
    await Promise.all(this.#controlPlanes.map((child) => child.end()));
    await rm(this.dir, { recursive: true, force: true });
    const leaked = [...this.#applicationPids].filter(isAlive);
    for (const pid of leaked) process.kill(pid, 'SIGKILL');
    if (leaked.length > 0) throw new Error(`applications outlived their sidecars: ${leaked.join(', ')}`);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export async function fetchText(url: string): Promise<string> {
  const { body } = await request(url, { headersTimeout: 5000, bodyTimeout: 5000 });
  return body.text();
}

/** Tries until `probe` returns a value; rejects with its last complaint after `timeoutMs`. */
export async function eventually<T>(
  probe: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let complaint: unknown = 'it never held';
  while (performance.now() < endMs) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
    } catch (error) {
      complaint = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not within ${timeoutMs} ms: ${String(complaint)}`);
}
