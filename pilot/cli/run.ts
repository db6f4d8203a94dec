/** `heddle run`: one sidecar and, when it is ready, the application next to it. */
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import {
  type Interception,
  type InterceptionMode,
  interceptionPorts,
  isIntercepted,
} from '../../proxy/api/interception.ts';
import { type ApplicationProtocol, applicationProtocols, type NodeLocality } from '../../proxy/api/node.ts';
import type { CommandContext } from './context.ts';
import { CommandError, exitCodes } from './exit-code.ts';
import { findFreePorts } from './free-ports.ts';
import { knownHost, ownAddress } from './host-address.ts';
import { newInstanceId } from './instance-id.ts';
import * as parse from './option-parsers.ts';
import { checkPilotTls, pilotTlsOption } from './pilot-tls.ts';
import { type DnsOptions, dnsOptions, drainOption, interceptionOption, planDnsCapture } from './serving.ts';
import { formatHostPort, type SidecarPlan } from './sidecar-bootstrap.ts';

interface RunOptions extends DnsOptions {
  readonly service: string;
  readonly namespace: string;
  readonly name?: string;
  readonly version?: string;
  readonly labels?: Record<string, string>;
  readonly locality?: NodeLocality;
  readonly port?: number;
  readonly protocol?: ApplicationProtocol;
  readonly appPort: readonly number[];
  readonly interceptionMode: InterceptionMode;
  readonly outboundPort?: number;
  readonly inboundPort?: number;
  readonly adminPort?: number;
  readonly address?: string;
  readonly pilot: parse.HostPort;
  readonly pilotTlsDir?: string;
  /** Milliseconds, given in seconds. */
  readonly drainSeconds: number;
}

export function registerRun(program: Command, context: CommandContext): void {
  const [captureDns, dnsPort] = dnsOptions();
  program
    .command('run')
    .summary('start a sidecar and, when it is ready, an application')
    .description(
      'Starts a sidecar, waits until pilot has configured it, then starts COMMAND next to it. The application finds its ' +
        'sidecar in HEDDLE_OUTBOUND and HTTP_PROXY, and its own port in PORT. Signals are passed on; heddle ends with ' +
        "the application's exit code. Others are sent to the application while it accepts connections at --port. " +
        'Without COMMAND the sidecar runs alone; without --port it only makes calls.',
    )
    .requiredOption('--service <name>', 'service that the application is an instance of', parse.parseName)
    .option('--namespace <name>', 'namespace of the service', parse.parseName, 'default')
    .option('--name <name>', "name of this very instance in its namespace, a pod's (default: made up)", parse.parseName)
    .option('--version <version>', 'version of the application, a label that subsets select', parse.parseLabelValue)
    .option('--labels <k=v,...>', 'further labels', parse.parseLabels)
    .option('--locality <region/zone/subzone>', 'where it runs, for rules about localities', parse.parseLocality)
    .option('--port <port>', 'port on which the application listens', parse.parsePort)
    .addOption(
      new Option(
        '--protocol <protocol>',
        'what the application speaks at --port (default: what its service declares, or else whatever its clients speak)',
      ).choices(applicationProtocols),
    )
    .addOption(interceptionOption().default('NONE'))
    .option(
      '--app-port <port>',
      'a further port of an application whose connections are intercepted; may be repeated (default: without any, and ' +
        'without --port, the target ports of its services)',
      parse.parsePorts,
      [],
    )
    .option(
      '--outbound-port <port>',
      "the sidecar's port for calls of the application (default: a free one, 15001 when it is intercepted)",
      parse.parsePort,
    )
    .option(
      '--inbound-port <port>',
      "the sidecar's port for calls to the application (default: a free one, 15006 when it is intercepted)",
      parse.parsePort,
    )
    .option('--admin-port <port>', "the sidecar's admin port on 127.0.0.1 (default: a free one)", parse.parsePort)
    .option(
      '--address <ip>',
      'address at which other sidecars reach this one (default: 127.0.0.1, the first of this host when it is intercepted)',
      parse.parseAddress,
    )
    .addOption(captureDns)
    .addOption(dnsPort)
    .addOption(pilotOption())
    .addOption(pilotTlsOption())
    .addOption(drainOption())
    .argument('[command...]', 'the application and its arguments, after --')
    .addHelpText('after', examples)
    .action(async (command: string[], options: RunOptions) => {
      const plan = await planSidecar(options);
      const { runSidecar } = await import('./sidecar.ts');
      context.exitCode = await runSidecar({ plan, command, drainMs: options.drainSeconds, context });
    });
}

export function pilotOption(): Option {
  const pilot: parse.HostPort = { host: '127.0.0.1', port: 15_010 };
  return new Option('--pilot <host:port>', "pilot's xDS server")
    .argParser(parse.parseHostPort)
    .default(pilot, formatHostPort(pilot));
}

/** Where pilot is, and how it is spoken to. */
export async function planPilot(
  options: Pick<RunOptions, 'pilot' | 'pilotTlsDir'>,
): Promise<Pick<SidecarPlan, 'pilot' | 'pilotTlsDir'>> {
  const pilot = await knownHost(options.pilot, 'pilot');
  if (options.pilotTlsDir === undefined) return { pilot };
  const pilotTlsDir = resolve(options.pilotTlsDir);
  await checkPilotTls(pilotTlsDir);
  return { pilot, pilotTlsDir };
}

const examples = `
Examples:
  heddle run --service reviews --version v2 --port 9080 -- node reviews.js
  heddle run --service ratings --port 9090 --protocol grpc -- ./ratings
  heddle run --service shell -- curl -s http://reviews/        (a pure client: http_proxy leads through the sidecar)
`;

async function planSidecar(options: RunOptions): Promise<SidecarPlan> {
  const { service, namespace, name, version, labels = {}, locality, protocol } = options;
  const interception = planInterception(options);
  const address = options.address ?? defaultAddress(interception);
  const pilot = await planPilot(options);
  const identity = { service, namespace, name, version, labels, locality, address, instance: newInstanceId() };
  const dns = planDnsCapture(options);
  const ports = await planPorts(options, address, interception);
  if (protocol !== undefined && ports.app === undefined)
    throw new CommandError('--protocol needs --port', exitCodes.usage);
  return { identity, ports, protocol, interception, dns, ...pilot };
}

function planInterception({ interceptionMode, port, appPort }: RunOptions): Interception {
  if (!isIntercepted({ interceptionMode })) {
    if (appPort.length === 0) return {};
    throw new CommandError('--app-port needs --interception-mode REDIRECT or TPROXY', exitCodes.usage);
  }
  const appPorts = [...new Set([...(port === undefined ? [] : [port]), ...appPort])];
  return appPorts.length === 0 ? { interceptionMode } : { interceptionMode, appPorts };
}

/** Connections to loopback are not intercepted: nobody else could reach the application there. */
function defaultAddress(interception: Interception): string {
  if (!isIntercepted(interception)) return '127.0.0.1';
  const address = ownAddress();
  if (address !== undefined) return address;
  throw new CommandError('--interception-mode needs --address: this host has none but loopback', exitCodes.usage);
}

async function planPorts(
  options: RunOptions,
  address: string,
  interception: Interception,
): Promise<SidecarPlan['ports']> {
  const { port, outboundPort, inboundPort, adminPort } = options;
  const app = port ?? interception.appPorts?.[0];
  // The application does not listen yet: its port looks free.
  const named = [app, outboundPort, inboundPort, adminPort].filter((one) => one !== undefined);
  const [outbound = 0, admin = 0, inbound = 0] = await findFreePorts(3, address, named);
  if (isIntercepted(interception)) {
    return {
      app,
      outbound: outboundPort ?? interceptionPorts.outbound,
      admin: adminPort ?? admin,
      inbound: inboundPort ?? interceptionPorts.inbound,
    };
  }
  return {
    app,
    outbound: outboundPort ?? outbound,
    admin: adminPort ?? admin,
    inbound: app === undefined ? undefined : (inboundPort ?? inbound),
  };
}
