/** Network namespaces with names that tell whose they are. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const folder = '/run/netns';
const prefix = 'heddle-test';
let lastNumber = 0;

/** Runs `ip`; throws with what it said. */
export function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });
}

/** Runs commands of `ip` in a namespace, in one process; throws with what it said of the first that fails. */
export function ipIn(namespace: string, ...commands: readonly string[]): void {
  execFileSync('ip', ['-n', namespace, '-batch', '-'], { input: commands.join('\n'), stdio: 'pipe' });
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

/**
 * TCP ports on which somebody listens in a namespace, as one of the processes that were started in it sees them: no
 * program has to be run to ask, while others start. Empty before the first of them is in the namespace.
 */
export function listeningPorts(name: string, processes: readonly { readonly pid: number }[]): Set<number> {
  const inside = processes.find(({ pid }) => isInside(pid, name));
  if (inside === undefined) return new Set();
  const tables = ['tcp', 'tcp6'].map((table) => readProcess(inside.pid, `net/${table}`));
  return new Set(tables.flatMap(readListeningPorts));
}

/** A process is outside until `ip netns exec` has moved it. */
function isInside(pid: number, name: string): boolean {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino === statSync(join(folder, name)).ino;
  } catch {
    // It has ended.
    return false;
  }
}

function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It has just ended, or the machine has no IPv6.
    return '';
  }
}

/** proc(5): `sl local_address rem_address st …`, addresses and states in hexadecimal. */
function readListeningPorts(table: string): number[] {
  const sockets = table.split('\n').map((line) => line.trim().split(/\s+/));
  const listening = sockets.filter(([, , , state]) => state === '0A');
  return listening.map(([, local = '']) => Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16));
}
