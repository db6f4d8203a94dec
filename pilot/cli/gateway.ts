/** `heddle gateway`: a proxy at the edge of the mesh, without an application. */
import type { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { findFreePorts } from './free-ports.ts';
import { newInstanceId } from './instance-id.ts';
import * as parse from './option-parsers.ts';
import { pilotTlsOption } from './pilot-tls.ts';
import { pilotOption, planPilot } from './run.ts';
import { drainOption } from './serving.ts';
import type { SidecarPlan } from './sidecar-bootstrap.ts';

interface GatewayCommandOptions {
  readonly name: string;
  readonly namespace: string;
  readonly label: Readonly<Record<string, string>>;
  readonly portOffset: number;
  readonly trustedProxies: number;
  readonly adminPort?: number;
  readonly address: string;
  readonly pilot: parse.HostPort;
  readonly pilotTlsDir?: string;
  /** Milliseconds, given in seconds. */
  readonly drainSeconds: number;
}

export function registerGateway(program: Command, context: CommandContext): void {
  program
    .command('gateway')
    .summary('start a gateway: the way into the mesh for everybody else')
    .description(
      'Starts a proxy that listens for what the Gateways say that select its labels, app=NAME, istio=NAME and those of ' +
        '--label, and sends requests where the VirtualServices say that name them.',
    )
    .requiredOption('--name <name>', 'name of the gateway, its labels app and istio', parse.parseName)
    .option('--namespace <name>', 'namespace in which it runs', parse.parseName, 'default')
    .option('--label <k=v,...>', 'further labels; may be given several times', collectLabels, {})
    .option('--port-offset <n>', 'added to the ports of Gateways, where those below 1024 are not free', parseOffset, 0)
    .option('--trusted-proxies <n>', 'proxies in front of it that are trusted to name their client', parseHops, 0)
    .option('--admin-port <port>', 'its admin port on 127.0.0.1 (default: a free one)', parse.parsePort)
    .option('--address <ip>', 'address by which it is known in the mesh', parse.parseAddress, '127.0.0.1')
    .addOption(pilotOption())
    .addOption(pilotTlsOption())
    .addOption(drainOption())
    .addHelpText('after', examples)
    .action(async (options: GatewayCommandOptions) => {
      const plan = await planGateway(options);
      const { runSidecar } = await import('./sidecar.ts');
      context.exitCode = await runSidecar({ plan, command: [], drainMs: options.drainSeconds, context });
    });
}

const examples = `
Examples:
  heddle gateway --name ingressgateway
  heddle gateway --name front --label zone=dmz --port-offset 8000        (a Gateway's port 80 is served at 8080)
`;

const collectLabels = (text: string, before: Readonly<Record<string, string>>) => ({
  ...before,
  ...parse.parseLabels(text),
});
const parseOffset = (text: string): number => parse.parseCount(text, 64_511);
const parseHops = (text: string): number => parse.parseCount(text, 1000);

async function planGateway(options: GatewayCommandOptions): Promise<SidecarPlan> {
  const { name, namespace, label, portOffset, trustedProxies, adminPort, address } = options;
  const [admin = 0] = await findFreePorts(1, '127.0.0.1', adminPort === undefined ? [] : [adminPort]);
  const instance = newInstanceId();
  return {
    identity: { service: name, namespace, version: undefined, labels: { istio: name, ...label }, address, instance },
    ports: { app: undefined, inbound: undefined, outbound: 0, admin: adminPort ?? admin },
    gateway: { portOffset, trustedProxies },
    ...(await planPilot(options)),
  };
}
