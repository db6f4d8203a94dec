/** `heddle capture`: leads the traffic of a pod through its sidecar. */
import { Option, type Command } from 'commander';
import * as capture from './capture/capture-options.ts';
import { backendNames, type BackendName } from './capture/backend/backend.ts';
import { capturePlan, carryOut, formatPlan, releasePlan, requireNetAdmin } from './capture/capture-plan.ts';
import type { CommandContext } from './context.ts';
import { CommandError, exitCodes } from './exit-code.ts';
import { parsePort } from './option-parsers.ts';

interface CaptureFlags extends Omit<capture.CaptureOptions, 'redirectDns'> {
  readonly redirectDns?: true;
  readonly backend?: BackendName;
  readonly dryRun?: true;
  readonly undo?: true;
}

export function registerCapture(program: Command, context: CommandContext): void {
  const command = program
    .command('capture')
    .summary('lead the TCP traffic of this network namespace through its sidecar')
    .description(
      'Programs the network namespace that it runs in with nftables or iptables, IPv4 and IPv6: connections that arrive are led to ' +
        "the sidecar's inbound port, those that leave to its outbound port. What the sidecar itself sends (known by its " +
        'user or group), loopback, and calls of the application to its own address stay as they are. The flags mean ' +
        "what Istio's annotations of the same names mean. Doing it twice changes nothing. Needs CAP_NET_ADMIN.",
    );
  for (const option of [...inboundOptions(), ...outboundOptions(), ...proxyOptions(), ...modeOptions()]) {
    command.addOption(option);
  }
  command.addHelpText('after', examples).action(({ backend, dryRun, undo, ...flags }: CaptureFlags) => {
    const options = { ...flags, redirectDns: flags.redirectDns === true };
    const contradiction = findIdleFlag(command, undo === true, options) ?? capture.findContradiction(options);
    if (contradiction !== undefined) throw new CommandError(contradiction, exitCodes.usage);
    if (dryRun !== true) requireNetAdmin();
    const plan = undo === true ? releasePlan() : capturePlan(options, backend);
    if (dryRun === true) context.stdout.write(formatPlan(plan));
    else carryOut(plan);
  });
}

/** A flag that was given and would have no effect. */
function findIdleFlag(command: Command, isUndo: boolean, { redirectDns }: capture.CaptureOptions): string | undefined {
  const given = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli');
  if (isUndo) {
    const idle = given.find((option) => !['undo', 'dryRun'].includes(option.attributeName()));
    return idle === undefined ? undefined : `--undo removes everything; ${idle.long} has no meaning beside it`;
  }
  const isIdle = !redirectDns && given.some((option) => option.attributeName() === 'dnsPort');
  return isIdle ? '--dns-port has no meaning without --redirect-dns' : undefined;
}

const defaults = capture.defaultCaptureOptions;

function inboundOptions(): readonly Option[] {
  return [
    new Option(
      '--include-inbound-ports <ports>',
      'ports of the application whose calls are captured: *, or 80,443; "" for none',
    )
      .argParser(capture.parseAllOrPorts)
      .default(defaults.includeInboundPorts, 'all'),
    new Option(
      '--exclude-inbound-ports <ports>',
      `left out of *, beside the sidecar's own ${capture.proxyPorts.join(', ')}`,
    )
      .argParser(capture.parsePorts)
      .default(defaults.excludeInboundPorts, 'none'),
  ];
}

function outboundOptions(): readonly Option[] {
  return [
    new Option(
      '--include-outbound-ip-ranges <ranges>',
      'destinations that are captured: *, or 10.0.0.0/8,2001:db8::/32; "" for none',
    )
      .argParser(capture.parseAllOrIpRanges)
      .default(defaults.includeOutboundIpRanges, 'all'),
    new Option('--exclude-outbound-ip-ranges <ranges>', 'destinations that are not')
      .argParser(capture.parseIpRanges)
      .default(defaults.excludeOutboundIpRanges, 'none'),
    new Option('--include-outbound-ports <ports>', 'ports that are captured wherever they are, but in excluded ranges')
      .argParser(capture.parsePorts)
      .default(defaults.includeOutboundPorts, 'none'),
    new Option('--exclude-outbound-ports <ports>', 'ports that are not captured, wherever they are')
      .argParser(capture.parsePorts)
      .default(defaults.excludeOutboundPorts, 'none'),
    new Option('--exclude-interfaces <names>', 'interfaces whose traffic stays as it is, in and out')
      .argParser(capture.parseInterfaces)
      .default(defaults.excludeInterfaces, 'none'),
  ];
}

function proxyOptions(): readonly Option[] {
  return [
    new Option('--proxy-uid <ids>', 'users that the sidecar runs as')
      .argParser(capture.parseIds)
      .default(defaults.proxyUid, defaults.proxyUid.join(',')),
    new Option('--proxy-gid <ids>', 'groups that the sidecar runs as')
      .argParser(capture.parseIds)
      .default(defaults.proxyGid, defaults.proxyGid.join(',')),
    new Option('--inbound-port <port>', 'where the sidecar takes calls to the application')
      .argParser(parsePort)
      .default(defaults.inboundPort),
    new Option('--outbound-port <port>', 'where the sidecar takes calls of the application')
      .argParser(parsePort)
      .default(defaults.outboundPort),
  ];
}

function modeOptions(): readonly Option[] {
  return [
    new Option('--interception-mode <mode>', 'of inbound calls; TPROXY keeps their addresses')
      .choices(capture.interceptionModes)
      .default(defaults.interceptionMode),
    new Option('--redirect-dns', 'lead queries of the application (UDP and TCP port 53) to --dns-port'),
    new Option('--dns-port <port>', 'where the sidecar takes DNS queries')
      .argParser(parsePort)
      .default(defaults.dnsPort),
    new Option(
      '--backend <name>',
      'what the rules are written for (default: what is installed, nftables first)',
    ).choices(backendNames),
    new Option('--dry-run', 'print what would be done, as a script for the backend with calls of ip as comments'),
    new Option('--undo', 'remove everything that this command has made'),
  ];
}

const examples = `
Examples:
  heddle capture
  heddle capture --include-inbound-ports 8080 --exclude-outbound-ip-ranges 169.254.169.254/32 --exclude-outbound-ports 5432
  heddle capture --interception-mode TPROXY --dry-run
  heddle capture --undo
`;
