/** What `heddle capture` does to the network namespace of this process: rules through `nft`, the rest through `ip`. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CommandError } from '../exit-code.ts';
import type { CaptureOptions } from './capture-options.ts';
import { removalCommands, routingCommands, setUpCommands, unroutingOf, type IpCommand } from './policy-routing.ts';
import { buildChains } from './rules.ts';
import { formatRuleset, removalScript, table } from './ruleset.ts';

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
  /** For `nft`, one transaction. */
  readonly script: string;
  readonly after: readonly IpCommand[];
}

/** Carrying it out twice is doing it once; other options replace those of an earlier plan. */
export function capturePlan(options: CaptureOptions): Plan {
  const withIPv6 = hasIPv6();
  return {
    before: setUpCommands(options, withIPv6),
    script: formatRuleset(buildChains(options)),
    after: routingCommands(options).length === 0 ? unroutingOf(withIPv6) : [],
  };
}

/** Removes what `capturePlan` makes, as far as it is there, and nothing else. */
export function releasePlan(): Plan {
  return { before: [], script: removalScript, after: removalCommands(hasIPv6()) };
}

/** A script for `nft --file`, with the calls of `ip` as comments. */
export function formatPlan({ before, script, after }: Plan): string {
  return `${formatCommands(before)}${script}${formatCommands(after)}`;
}

function formatCommands(commands: readonly IpCommand[]): string {
  return commands.map(({ args }) => `# ip ${args.join(' ')}\n`).join('');
}

/** What can be refused is refused before anything is changed; what is refused later is taken back. */
export function carryOut({ before, script, after }: Plan): void {
  requireNetAdmin();
  run('nft', ['--check', '--file', '-'], script);
  const isFirst = !isInForce();
  try {
    runAll(before);
    run('nft', ['--file', '-'], script);
  } catch (error) {
    // Those of an earlier call are in use.
    if (isFirst) runAll(removalCommands(hasIPv6()));
    throw error;
  }
  runAll(after);
}

function isInForce(): boolean {
  return call('nft', ['list', 'table', ...table.split(' ')], '').status === 0;
}

const lacking =
  'the capability CAP_NET_ADMIN in this network namespace is missing (root has it, in a container it must be added); nothing was changed';

/** linux/capability.h */
const netAdminBit = 12n;

function requireNetAdmin(): void {
  if (process.platform !== 'linux') throw new CommandError(`capture programs Linux, this is ${process.platform}`);
  const mask = /^CapEff:\s*([\da-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  if (((BigInt(`0x${mask}`) >> netAdminBit) & 1n) === 0n) throw new CommandError(lacking);
}

function runAll(commands: readonly IpCommand[]): void {
  for (const { args, whenDone } of commands) run('ip', args, '', whenDone);
}

const debianPackages = { nft: 'nftables', ip: 'iproute2' };
/** Programs of the system are not on every user's path. */
const systemFolders = '/usr/local/sbin:/usr/sbin:/sbin';

type ProgramName = keyof typeof debianPackages;

function call(program: ProgramName, args: readonly string[], input: string): SpawnSyncReturns<string> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${systemFolders}`, LC_ALL: 'C' };
  return spawnSync(program, args, { input, env, encoding: 'utf8' });
}

function run(program: ProgramName, args: readonly string[], input: string, whenDone?: RegExp): void {
  const { status, error, stderr } = call(program, args, input);
  if (error !== undefined) {
    const isMissing = 'code' in error && error.code === 'ENOENT';
    const reason = isMissing ? `is not installed (Debian package ${debianPackages[program]})` : error.message;
    throw new CommandError(`the program ${program} ${reason}`);
  }
  if (status === 0 || whenDone?.test(stderr) === true) return;
  // The capability counts in the user namespace that the network belongs to: it can be there and not be enough.
  if (stderr.includes('Operation not permitted')) throw new CommandError(lacking);
  throw new CommandError(`${program} ${args.join(' ')}: ${stderr.trim()}`);
}
