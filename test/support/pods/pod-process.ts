/** One program in a pod. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';

export interface ProgramOptions {
  /** User and group id; default root's. */
  readonly uid?: number;
  /** Default: `uid`. */
  readonly gid?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads; then the end of the file. */
  readonly stdin?: string;
  /** Milliseconds after which it is killed; default none for what goes on. */
  readonly timeoutMs?: number;
  /** Linux capabilities that the program may not have, as `net_admin`. */
  readonly without?: readonly string[];
}

export interface Ran {
  /** Undefined when a signal has ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export class PodProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  #stdout = '';
  #stderr = '';
  /** Resolves when the program has ended and everything it wrote has been read. */
  readonly ended: Promise<Ran>;

  constructor(namespace: string, command: readonly string[], options: ProgramOptions) {
    const args = ['netns', 'exec', namespace, ...asUser(options), ...command];
    this.#child = spawn('ip', args, {
      env: { ...process.env, http_proxy: '', HTTP_PROXY: '', ...options.env },
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
    });
    this.#child.stdout.on('data', (bytes: Buffer) => (this.#stdout += bytes.toString()));
    this.#child.stderr.on('data', (bytes: Buffer) => (this.#stderr += bytes.toString()));
    // A program that ends without reading is no fault.
    this.#child.stdin.on('error', () => {});
    this.#child.stdin.end(options.stdin ?? '');
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code) =>
        resolve({ code: code ?? undefined, stdout: this.#stdout, stderr: this.#stderr }),
      );
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Both streams, standard output first. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/** `ip netns exec` and `setpriv` become the program: its process id is that of the child. */
function asUser({ uid, gid = uid, without = [] }: ProgramOptions): readonly string[] {
  if (uid === undefined && gid === undefined && without.length === 0) return [];
  return [
    'setpriv',
    ...(uid === undefined ? [] : [`--reuid=${uid}`]),
    ...(gid === undefined ? [] : [`--regid=${gid}`, '--clear-groups']),
    ...(without.length === 0 ? [] : [`--bounding-set=${without.map((name) => `-${name}`).join(',')}`]),
    '--',
  ];
}
