/**
 * Pods without a cluster: network namespaces with an interface each, on one bridge that stands in a namespace of its
 * own, so that nothing of this machine's network is touched. Programs in them run unmodified. Needs root.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'vitest';
import { skipOrFail, requirePeers } from './peers.ts';
import { addNamespace, deleteNamespace, ipIn, listeningPorts, removeLeftOvers } from './pods/namespace.ts';
import { PodProcess, type ProgramOptions, type Ran } from './pods/pod-process.ts';

const bridge = 'bridge0';
/** Documentation prefixes (RFC 5737, RFC 3849): they lead nowhere if they ever leave the bridge. */
const ipv4Prefix = '192.0.2';
const ipv6Prefix = '2001:db8::';

/** For `expect.poll`: a program takes longer to start than vitest waits by itself. */
export const patience = { timeout: 10_000 };

/** A machine that does a lot of other things takes its time. */
const startTimeoutMs = 30_000;

/** A program that is run to its end has this long, unless the test says otherwise. */
const runTimeoutMs = 20_000;

/** Call first in a test with pods. Skips it, with the reason, where this user or machine cannot have any. */
export function requirePods(context: TestContext): void {
  requirePeers(context, 'ip', 'nft');
  const reason = findPodsFault();
  if (reason !== undefined) skipOrFail(context, 'pods', reason);
}

let podsFault: { readonly reason: string | undefined } | undefined = undefined;

/** Why there can be no pods; tried once per process. */
function findPodsFault(): string | undefined {
  podsFault ??= { reason: tryNamespace() };
  return podsFault.reason;
}

function tryNamespace(): string | undefined {
  if (process.getuid?.() !== 0) return 'pods are network namespaces, which only root can make';
  try {
    const name = addNamespace('probe');
    try {
      execFileSync('ip', ['netns', 'exec', name, 'nft', 'add table inet probe'], { stdio: 'pipe' });
    } finally {
      deleteNamespace(name);
    }
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made here: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
}

/** Pods that reach each other. Close it (`closeAfterTest`): that ends their programs and removes every namespace. */
export class PodNetwork {
  readonly #switch: string;
  readonly #pods: Pod[] = [];
  /** Of the last address given; 1 is the bridge. */
  #lastHost = 1;

  constructor() {
    removeLeftOvers();
    this.#switch = addNamespace('switch');
    // Without snooping, neighbour discovery works from the first packet on.
    ipIn(
      this.#switch,
      `link add ${bridge} type bridge mcast_snooping 0`,
      `address add ${ipv4Prefix}.1/24 dev ${bridge}`,
      `address add ${ipv6Prefix}1/64 dev ${bridge} nodad`,
      `link set ${bridge} up`,
      'link set lo up',
    );
  }

  /** `files`: what stands in the pod's `/etc` instead of this machine's, as `hosts` and `resolv.conf`. */
  addPod(name: string, files: Readonly<Record<string, string>> = {}): Pod {
    this.#lastHost += 1;
    const pod = new Pod({ name, host: this.#lastHost, switch: this.#switch, files });
    this.#pods.push(pod);
    return pod;
  }

  async close(): Promise<void> {
    for (const pod of this.#pods.reverse()) await pod.die();
    deleteNamespace(this.#switch);
  }
}

interface PodOptions {
  readonly name: string;
  readonly host: number;
  readonly switch: string;
  readonly files: Readonly<Record<string, string>>;
}

export class Pod {
  readonly name: string;
  /** Its IPv4 address. */
  readonly address: string;
  readonly ipv6Address: string;
  readonly namespace: string;
  readonly #switch: string;
  /** The bridge's end of the cable whose other end is the pod's `eth0`. */
  readonly #port: string;
  readonly #processes: PodProcess[] = [];
  #isDead = false;

  constructor({ name, host, switch: switchNamespace, files }: PodOptions) {
    this.name = name;
    this.address = `${ipv4Prefix}.${host}`;
    this.ipv6Address = `${ipv6Prefix}${host.toString(16)}`;
    this.namespace = addNamespace(name);
    this.#switch = switchNamespace;
    this.#port = `port${host}`;
    this.#writeFiles(files);
    this.#plugIn();
  }

  /** Starts a program that goes on, and ends with the pod at the latest. */
  start(command: readonly string[], options: ProgramOptions = {}): PodProcess {
    const program = new PodProcess(this.namespace, command, options);
    this.#processes.push(program);
    return program;
  }

  /** Runs a program to its end. */
  run(command: readonly string[], options: ProgramOptions = {}): Promise<Ran> {
    return new PodProcess(this.namespace, command, { timeoutMs: runTimeoutMs, ...options }).ended;
  }

  /** As `run`, for what must succeed: throws what the program said otherwise. Returns its standard output. */
  async require(command: readonly string[], options: ProgramOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, options);
    if (code !== 0) throw new Error(`${this.name}: ${command.join(' ')}: exit code ${code}\n${stderr}${stdout}`);
    return stdout;
  }

  /** Resolves when something that the pod goes on running listens on the TCP port, on whatever address. */
  async listens(port: number, timeoutMs: number = startTimeoutMs): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!listeningPorts(this.namespace, this.#processes).has(port)) {
      if (performance.now() > endMs) throw new Error(`${this.name}: nothing listens on port ${port}\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** What the programs that go on have written. */
  get output(): string {
    return this.#processes.map(({ output }) => output).join('');
  }

  /** The cable is pulled: packets are lost, nobody is told. */
  linkDown(): void {
    ipIn(this.#switch, `link set ${this.#port} down`);
  }

  linkUp(): void {
    ipIn(this.#switch, `link set ${this.#port} up`);
  }

  /** The machine is gone from one moment to the next: no connection is closed. Doing it twice is doing it once. */
  async die(): Promise<void> {
    if (this.#isDead) return;
    this.#isDead = true;
    ipIn(this.#switch, `link del ${this.#port}`);
    deleteNamespace(this.namespace);
    rmSync(this.#filesFolder, { recursive: true, force: true });
    await Promise.all(this.#processes.map((program) => program.kill()));
  }

  #plugIn(): void {
    const { namespace } = this;
    ipIn(
      this.#switch,
      `link add ${this.#port} type veth peer name eth0 netns ${namespace}`,
      `link set ${this.#port} master ${bridge} up`,
    );
    // Nobody else has its addresses: the link-local one too can be used without asking around first.
    const acceptDad = 'cd /proc/sys/net/ipv6/conf && for each in all eth0; do echo 0 >$each/accept_dad; done';
    execFileSync('ip', ['netns', 'exec', namespace, 'sh', '-c', acceptDad]);
    ipIn(
      namespace,
      `address add ${this.address}/24 dev eth0`,
      `address add ${this.ipv6Address}/64 dev eth0 nodad`,
      'link set lo up',
      'link set eth0 up',
      `route add default via ${ipv4Prefix}.1`,
      `route add default via ${ipv6Prefix}1`,
    );
  }

  /** `ip netns exec` shows these in place of the files of the same name. */
  get #filesFolder(): string {
    return `/etc/netns/${this.namespace}`;
  }

  #writeFiles(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(this.#filesFolder, { recursive: true });
      writeFileSync(`${this.#filesFolder}/${name}`, text);
    }
  }
}
