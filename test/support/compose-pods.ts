/**
 * Carries out a compose file without a container engine: what shares a network namespace there is one pod here, what is
 * read-only there is so here, and users and capabilities are those of the file. Heddle's images are made of what their
 * container files copy; the programs of other images are those of this machine.
 */
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Compose, type ComposeService, namespaceOf, startOrder } from './compose.ts';
import { contain } from './container.ts';
import { type ImageName, ImageTree, readImage } from './image-tree.ts';
import { type Pod, PodNetwork } from './pods.ts';
import type { PodProcess, Ran } from './pods/pod-process.ts';

/** Who runs in images that are not ours, when the file does not say. */
const nobody = '65534:65534';
const startTimeoutMs = 40_000;
/** Each check is a program: the one that is waited for needs the processor too. */
const healthCheckPauseMs = 200;
/** The first that a network gives; the bridge has the one before it. */
const firstHost = 2;

export class ComposePods {
  readonly #compose: Compose;
  readonly #network = new PodNetwork();
  /** By the service that holds the namespace. */
  readonly #pods = new Map<string, Pod>();
  readonly #running = new Map<string, PodProcess>();
  /** Their container files are the same up to the program. */
  readonly #tree = new ImageTree('proxy');
  readonly #volumes = mkdtempSync(join(tmpdir(), 'heddle-volume-'));

  constructor(compose: Compose) {
    this.#compose = compose;
    const holders = [...compose.services.keys()].filter((name) => namespaceOf(name, compose) === name);
    const hosts = holders.map((name, index) => {
      const names = [name, ...(this.#service(name).networks?.default.aliases ?? [])];
      return `192.0.2.${index + firstHost} ${names.join(' ')}\n`;
    });
    for (const name of holders) {
      const files = { hosts: ['127.0.0.1 localhost\n', ...hosts].join('') };
      this.#pods.set(name, this.#network.addPod(name, files));
    }
  }

  /** `docker compose up`: everything, in order, each when what it waits for is as it should be. */
  async up(): Promise<void> {
    for (const name of startOrder(this.#compose)) {
      for (const [other, { condition }] of Object.entries(this.#service(name).depends_on ?? {})) {
        if (condition === 'service_healthy') await this.#isHealthy(other);
        if (condition === 'service_completed_successfully') await this.#hasCompleted(other);
      }
      this.start(name);
    }
  }

  /** A container that only holds a namespace has no program here. */
  start(name: string): void {
    const command = this.#command(name, this.#service(name).command);
    if (command.length > 0) this.#running.set(name, this.pod(name).start(this.#contain(name, command)));
  }

  /** SIGTERM, and what became of it. */
  stop(name: string): Promise<Ran> {
    const program = this.#program(name);
    program.signal('SIGTERM');
    return program.ended;
  }

  /** `docker compose exec`. */
  exec(name: string, command: readonly string[]): Promise<string> {
    return this.pod(name).require(this.#contain(name, this.#withPrograms(name, command)));
  }

  /** `docker compose run --rm --no-deps`. Without a command, the one of the file. */
  run(name: string, command: readonly string[] | undefined = this.#service(name).command): Promise<string> {
    return this.pod(name).require(this.#contain(name, this.#command(name, command)));
  }

  pod(name: string): Pod {
    const pod = this.#pods.get(namespaceOf(name, this.#compose));
    if (pod === undefined) throw new Error(`${name} has no network namespace`);
    return pod;
  }

  async close(): Promise<void> {
    await this.#network.close();
    this.#tree.close();
    rmSync(this.#volumes, { recursive: true, force: true });
  }

  #service(name: string): ComposeService {
    const service = this.#compose.services.get(name);
    if (service === undefined) throw new Error(`there is no service ${name}`);
    return service;
  }

  #program(name: string): PodProcess {
    const program = this.#running.get(name);
    if (program === undefined) throw new Error(`${name} does not run`);
    return program;
  }

  /** Resolves when the check of its image has succeeded. */
  async #isHealthy(name: string): Promise<void> {
    const image = imageOf(this.#service(name));
    const check = (image === undefined ? undefined : readImage(image).healthCheck) ?? [];
    const endMs = performance.now() + startTimeoutMs;
    const contained = this.#contain(name, this.#withPrograms(name, check));
    while ((await this.pod(name).run(contained)).code !== 0) {
      if (performance.now() > endMs) throw new Error(`${name} is not healthy\n${this.#program(name).output}`);
      await new Promise((resolve) => setTimeout(resolve, healthCheckPauseMs));
    }
  }

  async #hasCompleted(name: string): Promise<void> {
    const { code, stderr } = await this.#program(name).ended;
    if (code !== 0) throw new Error(`${name}: exit code ${code}\n${stderr}`);
  }

  /** What the container starts, in words of this machine. */
  #command(name: string, command: readonly string[] | undefined): readonly string[] {
    const service = this.#service(name);
    const image = imageOf(service);
    if (image === undefined) return this.#withPrograms(name, [...(service.entrypoint ?? []), ...(command ?? [])]);
    return this.#withPrograms(name, ['heddle', ...(command ?? readImage(image).command)]);
  }

  /** Programs and folders of the image are at another place here. */
  #withPrograms(name: string, [program = '', ...args]: readonly string[]): readonly string[] {
    if (program === '') return [];
    const folders = this.#mounts(name);
    return [...this.#locate(program), ...args.map((arg) => folders.get(arg) ?? arg)];
  }

  #locate(program: string): readonly string[] {
    if (program === 'node') return [process.execPath];
    if (program === 'heddle') return this.#tree.program;
    // The first on root's path can be one that only root may start.
    const ofSystem = `/usr/bin/${program}`;
    return [existsSync(ofSystem) ? ofSystem : program];
  }

  /** Where what is mounted in the container is on this machine. */
  #mounts(name: string): ReadonlyMap<string, string> {
    const { volumes = [] } = this.#service(name);
    return new Map(
      volumes.map((volume) => {
        const [source = '', target = ''] = volume.split(':');
        return [target, source.startsWith('.') ? resolve(this.#compose.folder, source) : this.#volumes];
      }),
    );
  }

  #contain(name: string, command: readonly string[]): readonly string[] {
    const { cap_add: capabilities = [], ...service } = this.#service(name);
    const image = imageOf(service);
    const user = service.user ?? (image === undefined ? nobody : readImage(image).user);
    const writable = [...this.#mounts(name).values()].filter((folder) => folder === this.#volumes);
    const [uid, gid] = (user ?? '0:0').split(':').map(Number);
    // A new volume has the owner that its folder has in the image.
    for (const folder of writable) chownSync(folder, uid ?? 0, gid ?? 0);
    return contain(command, { user, capabilities, writable });
  }
}

/** Which of ours; undefined for other people's. */
function imageOf({ image }: ComposeService): ImageName | undefined {
  const name = image.replace(/^heddle\//, '');
  return name === 'proxy' || name === 'capture' || name === 'pilot' ? name : undefined;
}
