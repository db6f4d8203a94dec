/** What `up`, `run` and `proxy` share: a server that starts with a clear word or fails with one, and drains when asked. */
import { Option } from 'commander';
import { defaultDnsPort, type DnsCapture } from '../../proxy/api/dns-capture.ts';
import { interceptionModes } from '../../proxy/api/interception.ts';
import type { Lifecycle } from '../../proxy/common/lifecycle.ts';
import { CommandError, exitCodes } from './exit-code.ts';
import { parsePort, parseSeconds } from './option-parsers.ts';
import { onSignals, type StopSignals } from './signals.ts';
import { explainStartError } from './start-error.ts';

/** Rejects with one sentence when a port or a directory cannot be had. */
export async function startServer(server: Lifecycle): Promise<undefined> {
  outliveReaders();
  try {
    await server.start();
  } catch (error) {
    throw explainStartError(error);
  }
}

/** What a server prints is for those who look: when nobody reads any more, or the disk of a log is full, it serves on. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.listeners('error').includes(ignoreError)) stream.on('error', ignoreError);
  }
}

const ignoreError = (): void => {};

/** The signal with which those who rotate logs, Envoy's too, ask for new files; the returned function ends that. */
export function reopenLogsOnSignal(server: { reopenAccessLogs(): void }): () => void {
  return onSignals(['SIGUSR1'], () => server.reopenAccessLogs());
}

/** Serves until the first signal, then drains; a second signal ends that too. */
export async function serveUntilStopped(server: Lifecycle, stop: StopSignals, drainMs: number): Promise<void> {
  await stop.first;
  await Promise.race([server.drain(drainMs), stop.second]);
}

/** How long `run` and `proxy` let requests finish; Istio's default. */
export function drainOption(): Option {
  return new Option('--drain-seconds <n>', 'time for requests to finish after SIGTERM')
    .argParser(parseSeconds)
    .default(5000, '5');
}

/** In Istio's words, as in its annotation `sidecar.istio.io/interceptionMode`. */
export function interceptionOption(): Option {
  return new Option(
    '--interception-mode <mode>',
    'how connections reach the sidecar: NONE (they are addressed to it), REDIRECT or TPROXY (the firewall diverts them)',
  ).choices([...interceptionModes]);
}

export interface DnsOptions {
  readonly dnsCapture?: boolean;
  readonly dnsPort?: number;
}

export function dnsOptions(): [Option, Option] {
  return [
    new Option('--dns-capture', 'answer DNS questions about names of the mesh on loopback, and forward all others'),
    new Option('--dns-port <port>', `port of --dns-capture (default: ${defaultDnsPort})`).argParser(parsePort),
  ];
}

export function planDnsCapture({ dnsCapture = false, dnsPort }: DnsOptions): DnsCapture {
  if (dnsCapture) return { dnsPort: dnsPort ?? defaultDnsPort };
  if (dnsPort === undefined) return {};
  throw new CommandError('--dns-port needs --dns-capture', exitCodes.usage);
}
