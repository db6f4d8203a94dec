/**
 * A network namespace for the benchmark alone, in which connections to one address are redirected to the proxy, as
 * `heddle capture` does it in a pod. This program runs itself once more in it; it goes away with its processes.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { findExecutable } from '../executable.ts';

/** A service's address, which nobody listens at: TEST-NET-2 (RFC 5737). */
export const serviceAddress = '198.51.100.1';
export const servicePort = 80;

const marker = 'HEDDLE_BENCH_NAMESPACE';

export function isInNamespace(): boolean {
  return process.env[marker] !== undefined;
}

/** Why there can be none; undefined when there can. */
export function findNamespaceFault(): string | undefined {
  if (process.getuid?.() !== 0) return 'a network namespace of its own takes root';
  const program = ['unshare', 'ip', 'nft', 'sysctl'].find((name) => findExecutable(name) === undefined);
  if (program !== undefined) return `${program} is not installed`;
  try {
    execFileSync('unshare', ['--net', 'nft', redirection(1)], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `connections cannot be redirected here: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
}

/** Runs this program with the same arguments in a namespace; resolves with its exit code. */
export async function runInNamespace(abort: AbortSignal): Promise<number> {
  const child = spawn('unshare', ['--net', process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [marker]: '1' },
  });
  const stop = (): void => void child.kill('SIGTERM');
  abort.addEventListener('abort', stop);
  const [code] = (await once(child, 'exit')) as [number | null];
  abort.removeEventListener('abort', stop);
  return code ?? 1;
}

/**
 * Loopback with the service's address on it, so that there is a way there. Ports of connections that are over can be used
 * again, and none of those stays in the table of connections: both would be used up before the end.
 */
export function setUpNamespace(): void {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  execFileSync('ip', ['address', 'add', `${serviceAddress}/32`, 'dev', 'lo']);
  // Connection tracking has its settings once a rule needs it.
  redirectTo(1);
  execFileSync('sysctl', [
    '-qw',
    'net.ipv4.ip_local_port_range=1024 65000',
    'net.ipv4.tcp_tw_reuse=1',
    'net.netfilter.nf_conntrack_tcp_timeout_time_wait=1',
    'net.netfilter.nf_conntrack_tcp_timeout_close=1',
  ]);
}

/** Connections to the service go to `port` from now on. */
export function redirectTo(port: number): void {
  execFileSync('nft', [redirection(port)]);
}

function redirection(port: number): string {
  const rule = `ip daddr ${serviceAddress} tcp dport ${servicePort} redirect to :${port}`;
  return `table ip bench {}; delete table ip bench; table ip bench { chain output { type nat hook output priority -100; ${rule}; }; }`;
}
