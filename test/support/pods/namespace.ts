/** Network namespaces with names that tell whose they are. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';

const folder = '/run/netns';
const prefix = 'heddle-test';
let lastNumber = 0;

/** Runs `ip`; throws with what it said. */
export function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });
}

/** Returns its name, unique on this machine: it holds this process's id. */
export function addNamespace(label: string): string {
  lastNumber += 1;
  const name = `${prefix}-${process.pid}-${lastNumber}-${label}`;
  ip('netns', 'add', name);
  return name;
}

/** Ends, at once, every process that still runs in it, those too that its programs have started. */
export function deleteNamespace(name: string): void {
  for (const pid of ip('netns', 'pids', name).split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
  ip('netns', 'del', name);
}

/** Namespaces of test processes that were killed before they could clean up. */
export function removeLeftOvers(): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      deleteNamespace(name);
    } catch {
      // Another test process removes it at the same time.
    }
    rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
  }
}
