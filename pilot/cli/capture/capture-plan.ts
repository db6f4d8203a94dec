/** What `heddle capture` does to the network namespace of this process: rules through a backend, the rest through `ip`. */
import { readFileSync } from 'node:fs';
import { CommandError } from '../exit-code.ts';
import { checkScript, runScript, type Backend, type BackendName, type Script } from './backend/backend.ts';
import { chooseBackend, installedBackends } from './backend/backends.ts';
import type { CaptureOptions } from './capture-options.ts';
import { removalCommands, routingCommands, setUpCommands, unroutingOf, type IpCommand } from './policy-routing.ts';
import { lackingCapability, run } from './program.ts';
import { buildChains } from './rules.ts';

/** A namespace can be without IPv6, and a kernel too. */
function hasIPv6(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', 'utf8').trim() === '0';
  } catch {
    return false;
  }
}

/** What is to be done, in this order. */
export interface Plan {
  /** Routes have no effect without rules that mark packets: they come before the rules and go after them. */
  readonly before: readonly IpCommand[];
  readonly scripts: readonly Script[];
  readonly after: readonly IpCommand[];
}

/**
 * Carrying it out twice is doing it once; other options replace those of an earlier plan, another backend's too.
 * `backendName`: default the first that is installed.
 */
export function capturePlan(options: CaptureOptions, backendName: BackendName | undefined): Plan {
  const withIPv6 = hasIPv6();
  const installed = installedBackends();
  const backend = chooseBackend(backendName, installed);
  return {
    before: setUpCommands(options, withIPv6),
    scripts: [
      ...backend.capture(buildChains(options)),
      ...installed.filter((other) => other !== backend).flatMap((other) => other.release()),
    ],
    after: routingCommands(options).length === 0 ? unroutingOf(withIPv6) : [],
  };
}

/** Removes what `capturePlan` makes, as far as it is there, and nothing else. */
export function releasePlan(): Plan {
  const installed = installedBackends();
  // Without any, nothing is known of what is there.
  chooseBackend(undefined, installed);
  return { before: [], scripts: releaseScripts(installed), after: removalCommands(hasIPv6()) };
}

function releaseScripts(installed: readonly Backend[]): readonly Script[] {
  return installed.flatMap((backend) => backend.release());
}

/** The input of the backend's programs; their names, and the calls of `ip`, as comments. */
export function formatPlan({ before, scripts, after }: Plan): string {
  return `${formatCommands(before)}${scripts.map(formatScript).join('')}${formatCommands(after)}`;
}

function formatScript({ program, args, text }: Script): string {
  return `# ${program} ${args.join(' ')}\n${text}`;
}

function formatCommands(commands: readonly IpCommand[]): string {
  return commands.map(({ args }) => `# ip ${args.join(' ')}\n`).join('');
}

/** Throws where this process may not change the network namespace that it is in. */
export function requireNetAdmin(): void {
  if (process.platform !== 'linux') throw new CommandError(`capture programs Linux, this is ${process.platform}`);
  const mask = /^CapEff:\s*([\da-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  if (((BigInt(`0x${mask}`) >> netAdminBit) & 1n) === 0n) throw new CommandError(lackingCapability);
}

/** linux/capability.h */
const netAdminBit = 12n;

/** What can be refused is refused before anything is changed; what is refused later is taken back. */
export function carryOut({ before, scripts, after }: Plan): void {
  for (const script of scripts) checkScript(script);
  const installed = installedBackends();
  const isFirst = !installed.some((backend) => backend.isInForce());
  try {
    runAll(before);
    for (const script of scripts) runScript(script);
  } catch (error) {
    // Those of an earlier call are in use.
    if (isFirst) {
      for (const script of releaseScripts(installed)) runScript(script);
      runAll(removalCommands(hasIPv6()));
    }
    throw error;
  }
  runAll(after);
}

function runAll(commands: readonly IpCommand[]): void {
  for (const { args, whenDone } of commands) run('ip', args, '', whenDone);
}
