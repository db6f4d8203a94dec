/** One child process: its output, its readiness, its end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ChildOptions {
  /** For messages: `order service`. */
  readonly name: string;
  /** Default: this Node, for which `args` begins with a JavaScript file. */
  readonly program?: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Time between SIGTERM and SIGKILL. */
const patienceMs = 15_000;

export class Child {
  readonly name: string;
  /** Resolves when the process has ended. */
  readonly exited: Promise<ChildExit>;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #watchers = new Set<() => void>();

  constructor({ name, program = process.execPath, args, env = {} }: ChildOptions) {
    this.name = name;
    this.#process = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve, reject) => {
      this.#process.once('error', reject);
      // `close`, not `exit`: by then the last line has been read.
      this.#process.once('close', (code, signal) => resolve({ code, signal }));
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#addLine(line));
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Everything the process wrote, stdout and stderr in order of arrival. */
  get output(): string {
    return this.#lines.join('\n');
  }

  /** The first line that matches, written already or within `timeoutMs`; rejects when the process ends before. */
  waitForLine(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      let read = 0;
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        act();
      };
      const fail = (why: string): void =>
        settle(() => reject(new Error(`${this.name}: ${why} before "${pattern.source}" was printed:\n${this.output}`)));
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      const look = (): void => {
        for (; read < this.#lines.length; read += 1) {
          const match = pattern.exec(this.#lines[read] ?? '');
          if (match !== null) return settle(() => resolve(match));
        }
      };
      this.#watchers.add(look);
      look();
      void this.exited.then(() => fail('the process ended'));
    });
  }

  kill(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#process.kill(signal);
  }

  /** Ends the process: SIGTERM, and SIGKILL for one that does not listen. */
  async end(): Promise<ChildExit> {
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), patienceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  #addLine(line: string): void {
    this.#lines.push(line);
    for (const look of this.#watchers) look();
  }
}
