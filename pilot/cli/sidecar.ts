/** The life of `heddle run`: sidecar ready → application → drain → the application's exit code. */
import { isIntercepted } from '../../proxy/api/interception.ts';
import { createLogger } from '../../proxy/common/log.ts';
import { requireValue } from '../../proxy/common/decoded.ts';
import { readBootstrap } from '../../proxy/bootstrap.ts';
import { ProxyServer } from '../../proxy/server.ts';
import { Application, applicationEnv } from './application.ts';
import type { CommandContext } from './context.ts';
import { exitCodeOfSignal, exitCodes } from './exit-code.ts';
import { reopenLogsOnSignal, serveUntilStopped, startServer } from './serving.ts';
import { buildSidecarBootstrap, formatHostPort, type SidecarPlan } from './sidecar-bootstrap.ts';
import { listenForStop, onSignals, type StopSignals } from './signals.ts';

export interface SidecarRun {
  readonly plan: SidecarPlan;
  /** The application and its arguments; empty: the sidecar runs alone. */
  readonly command: readonly string[];
  readonly drainMs: number;
  readonly context: CommandContext;
}

/** How long a start may be silent before a line says what it waits for. */
const patienceMs = 1000;
/** Passed on at once; SIGTERM and SIGINT wait until the sidecar has drained. */
const passedOn: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'];

/** Resolves with the exit code of the process. */
export async function runSidecar(run: SidecarRun): Promise<number> {
  const { plan, context } = run;
  const bootstrap = readBootstrap(JSON.stringify(buildSidecarBootstrap(plan)), 'the generated bootstrap');
  const server = new ProxyServer(requireValue(bootstrap, 'the generated bootstrap'), {
    logger: createLogger('sidecar', 'warn'),
  });
  const stop = listenForStop();
  // The application gets the signal too: it may have logs of its own.
  const stopReopening = reopenLogsOnSignal(server);
  try {
    const stopped = await Promise.race([startSidecar(server, run), stop.first]);
    if (stopped !== undefined) return exitCodeOfSignal(stopped);
    context.stderr.write(`${plan.gateway === undefined ? describeReady(plan) : describeGateway(plan, server)}\n`);
    if (run.command.length > 0) return await serveApplication(server, stop, run);
    await serveUntilStopped(server, stop, run.drainMs);
    return exitCodes.ok;
  } finally {
    stop.dispose();
    stopReopening();
    await server.close();
  }
}

async function startSidecar(server: ProxyServer, { plan, context }: SidecarRun): Promise<undefined> {
  const pilot = formatHostPort(plan.pilot);
  const timer = setTimeout(() => context.stderr.write(`heddle: waiting for pilot at ${pilot}\n`), patienceMs);
  try {
    return await startServer(server);
  } finally {
    clearTimeout(timer);
  }
}

async function serveApplication(server: ProxyServer, stop: StopSignals, run: SidecarRun): Promise<number> {
  const { ports, interception = {} } = run.plan;
  const appPort = ports.app;
  const outboundPort = isIntercepted(interception) ? undefined : ports.outbound;
  const application = new Application(run.command, applicationEnv(run.context.env, { appPort, outboundPort }));
  const ended = application.run();
  const stopPassingOn = onSignals(passedOn, (signal) => application.signal(signal));
  try {
    const first = await Promise.race([ended, stop.first]);
    if (typeof first === 'number') return first;
    // Callers leave before the application goes: what is under way still finds it alive.
    await Promise.race([server.drain(run.drainMs), ended, stop.second]);
    application.signal(first);
    return await ended;
  } finally {
    stopPassingOn();
  }
}

/** Where it listens now: that changes with its Gateways. */
function describeGateway({ identity, ports }: SidecarPlan, server: ProxyServer): string {
  const addresses = server.listeners.list().map(({ config, port }) => formatHostPort({ host: config.address, port }));
  const listening = addresses.length === 0 ? 'no Gateway selects it yet' : addresses.join(' ');
  return `heddle: gateway ${identity.service} is ready: ${listening} admin http://127.0.0.1:${ports.admin}`;
}

function describeReady({ identity, ports, interception = {}, dns = {} }: SidecarPlan): string {
  const workload = identity.version === undefined ? identity.service : `${identity.service} ${identity.version}`;
  const inbound =
    ports.inbound === undefined ? '' : ` inbound ${formatHostPort({ host: identity.address, port: ports.inbound })}`;
  const intercepted = isIntercepted(interception) ? ` ${interception.interceptionMode}` : '';
  const resolver = dns.dnsPort === undefined ? '' : ` dns 127.0.0.1:${dns.dnsPort}`;
  return `heddle: sidecar of ${workload} is ready:${intercepted} outbound http://127.0.0.1:${ports.outbound}${inbound} admin http://127.0.0.1:${ports.admin}${resolver}`;
}
