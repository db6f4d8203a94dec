/** Who takes a connection, and what it knows of where the caller wanted to go. */
import type { Pod } from '../pods.ts';
import { compiled } from '../mesh.ts';
import type { Arrival } from './destination-server.ts';
import type { PodProcess, ProgramOptions } from './pod-process.ts';

export interface DestinationServerOptions {
  /** Default `::`, which is IPv4 too. */
  readonly host?: string;
  readonly ports: readonly number[];
  readonly isTransparent?: boolean;
  readonly as?: ProgramOptions;
}

/** Listens when it is resolved. */
export async function startDestinationServer(
  pod: Pod,
  { host = '::', ports, isTransparent = false, as = {} }: DestinationServerOptions,
): Promise<PodProcess> {
  const args = [compiled('test/support/pods/destination-server.js'), host, ports.join(',')];
  const program = pod.start([process.execPath, ...args, ...(isTransparent ? ['transparent'] : [])], as);
  for (const port of ports) await pod.listens(port);
  return program;
}

export interface Call {
  readonly host: string;
  readonly port: number;
  /** The address that the call comes from. */
  readonly from?: string;
  readonly as?: ProgramOptions;
}

export async function callDestination(pod: Pod, { host, port, from, as = {} }: Call): Promise<Arrival> {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const source = from === undefined ? [] : ['--interface', from];
  const command = ['curl', '--silent', '--show-error', '--max-time', '5', ...source, `telnet://${place}`];
  return JSON.parse(await pod.require(command, as)) as Arrival;
}
