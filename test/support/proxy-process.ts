/** A proxy in a process of its own, whose memory and CPU time are nobody else's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCpuMicros } from '../../bench/cpu-meter.ts';
import type { Cluster, HttpConnectionManager, Route, RouteAction } from '../../proxy/api/envoy.gen.ts';
import { bootstrapText, httpListener, routeConfiguration, routeTo, staticCluster } from './envoy-json.ts';
import { compiled } from './mesh.ts';
import { until } from './turns.ts';

export interface ProxyProcessOptions {
  readonly upstreamPort: number;
  readonly manager?: HttpConnectionManager;
  readonly action?: RouteAction;
  /** Instead of one that leads everything to cluster `backend`. */
  readonly routes?: readonly Route[];
  /** Beside `backend`. */
  readonly clusters?: readonly Cluster[];
  readonly cluster?: Cluster;
}

export class ProxyProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #output: () => string;

  private constructor(child: ChildProcess, directory: string, output: () => string) {
    this.#child = child;
    this.#directory = directory;
    this.#output = output;
    this.port = Number(/listener=test .*port=(\d+)/.exec(output())?.[1]);
  }

  /** Listens when it is resolved. */
  static async start({ upstreamPort, manager, cluster, ...rest }: ProxyProcessOptions): Promise<ProxyProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'heddle-proxy-'));
    const file = join(directory, 'bootstrap.json');
    const listener = httpListener({
      routes: routeConfiguration(rest.routes ?? [routeTo('backend', rest.action)]),
      ...(manager && { manager }),
    });
    writeFileSync(
      file,
      bootstrapText([listener], [staticCluster('backend', [upstreamPort], cluster), ...(rest.clusters ?? [])]),
    );
    const child = spawn(process.execPath, [compiled('pilot/cli/main.js'), 'proxy', '-c', file]);
    let output = '';
    child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
    await until(
      () => /listener=test .*port=\d+/.test(output) || child.exitCode !== null,
      () => output,
      15_000,
    );
    return new ProxyProcess(child, directory, () => output);
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote on stderr: its log. */
  get output(): string {
    return this.#output();
  }

  /** The most that was ever resident. */
  get peakRssBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return 1_024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
  }

  /** User and system time since it started. */
  get cpuMs(): number {
    return readCpuMicros(this.#child.pid ?? 0) / 1_000;
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await until(() => !this.isAlive);
    rmSync(this.#directory, { recursive: true });
  }
}
