/** Child processes, each pinned to one core, and the certainty that none of them outlives the run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is measured has a core for itself; the backend and the load generator share the other. */
export const proxyCore = 0;
export const loadCore = 1;

const stopDeadlineMs = 3_000;
const readyDeadlineMs = 20_000;
const stderrTailBytes = 2_000;

export interface Child {
  readonly pid: number;
  /** Why it is not running any more, with a line of what it wrote on stderr; undefined while it runs. */
  failure(): string | undefined;
}

/** The arguments that run a command on one core. taskset execs the command, so the child's pid is the command's. */
export function pinned(core: number, argv: readonly string[]): string[] {
  return ['taskset', '--cpu-list', String(core), ...argv];
}

/** A set of children that are stopped together. It can be used again afterwards. */
export class Processes {
  readonly #running = new Set<ChildProcess>();

  /** Starts `argv` on a core, without waiting for it to be ready. */
  start(core: number, argv: readonly string[]): Child {
    const [command = '', ...args] = pinned(core, argv);
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let tail = '';
    let spawnError: Error | undefined;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-stderrTailBytes);
    });
    child.on('error', (error) => {
      spawnError = error;
      this.#running.delete(child);
    });
    child.on('exit', () => this.#running.delete(child));
    this.#running.add(child);
    return {
      pid: child.pid ?? 0,
      failure() {
        if (spawnError !== undefined) return spawnError.message;
        if (child.exitCode === null && child.signalCode === null) return undefined;
        return `ended with ${child.signalCode ?? `exit code ${child.exitCode}`}: ${mainLine(tail)}`;
      },
    };
  }

  /** SIGTERM to all, SIGKILL to those that ignore it; resolves when every one has ended. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map(stop));
  }

  /** For the last moment of this process, when nothing can be awaited any more. */
  killAll(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }
}

/** The line of a program's last words that says most: the first that speaks of an error, else the last one. */
export function mainLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'nothing on stderr').trim();
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const impatience = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(impatience);
}

/** Resolves when somebody listens on the loopback port; rejects when the child ends before or takes too long. */
export async function waitForPort(port: number, child: Child): Promise<void> {
  const deadline = performance.now() + readyDeadlineMs;
  while (!(await canConnect(port))) {
    const failure = child.failure();
    if (failure !== undefined) throw new Error(failure);
    if (performance.now() > deadline) throw new Error(`does not listen on port ${port} after ${readyDeadlineMs} ms`);
    await sleep(25);
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
