/** The benchmark as a user runs it, in a temporary folder of its own, so that what it leaves behind can be seen. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const program = fileURLToPath(new URL('../../dist/bench/main.js', import.meta.url));

/** One short round: the numbers are not judged. */
export const shortest = ['--rounds=1', '--seconds=1', '--warmup-seconds=0'];

export interface Bench {
  /** Everything on stderr so far. */
  readonly progress: () => string;
  readonly ended: Promise<{ code: number | null; stdout: string }>;
  interrupt(): void;
}

export class BenchFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Is removed with the test. */
  static async make(): Promise<BenchFolder> {
    const path = await mkdtemp(join(tmpdir(), 'heddle-bench-test-'));
    onTestFinished(() => rm(path, { recursive: true }));
    return new BenchFolder(path);
  }

  /** Where a report is written to. */
  get json(): string {
    return join(this.path, 'report.json');
  }

  async readReport<T>(): Promise<T> {
    return JSON.parse(await readFile(this.json, 'utf8')) as T;
  }

  start(...args: string[]): Bench {
    const child = spawn(process.execPath, [program, ...args], { env: { ...process.env, TMPDIR: this.path } });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    return {
      progress: () => stderr,
      ended: once(child, 'close').then(([code]) => ({ code: code as number | null, stdout })),
      interrupt: () => child.kill('SIGINT'),
    };
  }

  /** Command lines of processes that still use the folder. */
  async leftovers(): Promise<string[]> {
    const found: string[] = [];
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      if (commandLine.includes(this.path) || cwd.startsWith(this.path)) found.push(commandLine);
    }
    return found;
  }
}
