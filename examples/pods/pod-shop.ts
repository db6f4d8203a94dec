/** The shop in one pod, curl in the other: control plane, sidecars and services, each a process of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from '../ftgo-canary/child.ts';
import { type DemoPod, TwoPods } from './two-pods.ts';

/** This file runs from `dist/examples/pods`; the YAML stands in the sources. */
const compiled = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));
const heddle = compiled('pilot/cli/main.js');

const service = 'ftgo-consumer-service';
/** As `service.yaml` says. */
const serviceAddress = '10.96.0.10';
/** Istio's user for sidecars, whose own connections are not captured. */
const proxyUser = ['setpriv', '--reuid', '1337', '--regid', '1337', '--clear-groups'];
const appPorts = { v1: 8081, v2: 8082 } as const;

export class PodShop {
  readonly pods = new TwoPods(`127.0.0.1 localhost\n${serviceAddress} ${service}\n`);
  readonly #children: Child[] = [];
  #dataDir: string | undefined;
  #isClosed = false;

  /** Resolves when everything runs and curl's connections are captured. */
  async start(): Promise<void> {
    const { shop, user } = this.pods;
    this.#dataDir = await mkdtemp(join(tmpdir(), 'heddle-pods-'));
    const up = this.#run('heddle up', shop, [heddle, 'up', '--host', shop.address, '--data-dir', this.#dataDir]);
    const [, pilot = ''] = await up.waitForLine(/is up: API \S+, xDS (\S+),/);
    await this.apply('pods/service.yaml');
    await Promise.all([this.#startVersion('v1', pilot), this.#startVersion('v2', pilot)]);
    await this.#toEnd('heddle capture', user, [heddle, 'capture']);
    const identity = ['--service', 'user', '--address', user.address, '--pilot', pilot];
    const sidecar = [heddle, 'run', ...identity, '--interception-mode', 'REDIRECT'];
    await this.#run("curl's sidecar", user, sidecar, proxyUser).waitForLine(/is ready: REDIRECT/);
  }

  async #startVersion(version: keyof typeof appPorts, pilot: string): Promise<void> {
    const { shop } = this.pods;
    const identity = ['--service', service, '--version', version, '--address', shop.address, '--pilot', pilot];
    const program = [process.execPath, compiled('examples/ftgo-canary/consumer-service.js'), version];
    const sidecar = [heddle, 'run', ...identity, '--port', String(appPorts[version]), '--', ...program];
    await this.#run(`consumer service ${version}`, shop, sidecar).waitForLine(/listens on/);
  }

  /** `heddle apply -f FILE`, files relative to the examples. */
  async apply(...files: readonly string[]): Promise<void> {
    const { shop } = this.pods;
    const paths = files.flatMap((file) => ['-f', join(examples, file)]);
    const args = [heddle, 'apply', '--server', `http://${shop.address}:15080`, ...paths];
    await this.#toEnd('heddle apply', shop, args);
  }

  /** What curl prints in the user's pod. It is told nothing of the mesh; its failures are in what it prints. */
  async curl(...args: readonly string[]): Promise<string> {
    if (this.#isClosed) return '';
    const command = ['curl', '--silent', '--noproxy', '*', '--max-time', '30', ...args];
    const child = new Child({ name: 'curl', program: 'ip', args: inPod(this.pods.user, command) });
    await child.exited;
    return child.output;
  }

  /** Rejects when one of the processes ends by itself. */
  watch(): Promise<never> {
    const ends = this.#children.map(async (child) => {
      const { code, signal } = await child.exited;
      throw new Error(`${child.name} ended (${signal ?? `exit code ${code}`}):\n${child.output}`);
    });
    return Promise.race(ends);
  }

  /** Ends every process, sidecars before the control plane, and removes the pods. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const [controlPlane, ...sidecars] = this.#children;
    await Promise.all(sidecars.map((child) => child.end()));
    await controlPlane?.end();
    this.pods.close();
    if (this.#dataDir !== undefined) await rm(this.#dataDir, { recursive: true, force: true });
  }

  async #toEnd(name: string, pod: DemoPod, args: readonly string[]): Promise<void> {
    const child = new Child({ name, program: 'ip', args: inPod(pod, [process.execPath, ...args]) });
    const { code } = await child.exited;
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${child.output}`);
  }

  #run(name: string, pod: DemoPod, args: readonly string[], user: readonly string[] = []): Child {
    if (this.#isClosed) throw new Error(`${name} is not started: the shop is closed`);
    const command = [...user, process.execPath, ...args];
    const child = new Child({ name, program: 'ip', args: inPod(pod, command) });
    this.#children.push(child);
    return child;
  }
}

/** For `ip`, which becomes the command, as do the programs in front of Node there: signals reach Node. */
function inPod({ name }: DemoPod, command: readonly string[]): string[] {
  return ['netns', 'exec', name, ...command];
}
