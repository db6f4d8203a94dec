/** Calls of the system's programs for the network. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { CommandError } from '../exit-code.ts';

const debianPackages = {
  nft: 'nftables',
  ip: 'iproute2',
  'iptables-save': 'iptables',
  'iptables-restore': 'iptables',
  'ip6tables-save': 'iptables',
  'ip6tables-restore': 'iptables',
};
/** Programs of the system are not on every user's path. */
const systemFolders = '/usr/local/sbin:/usr/sbin:/sbin';

export type ProgramName = keyof typeof debianPackages;

export const lackingCapability =
  'the capability CAP_NET_ADMIN in this network namespace is missing (root has it, in a container it must be added); nothing was changed';

export function call(program: ProgramName, args: readonly string[], input: string = ''): SpawnSyncReturns<string> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${systemFolders}`, LC_ALL: 'C' };
  return spawnSync(program, args, { input, env, encoding: 'utf8' });
}

export function isInstalled(program: ProgramName): boolean {
  return call(program, ['--version']).error === undefined;
}

/** `whenDone`: what the program says when there is nothing to do, because it is done. */
export function run(program: ProgramName, args: readonly string[], input: string, whenDone?: RegExp): void {
  const { status, error, stderr } = call(program, args, input);
  if (error !== undefined) {
    const isMissing = 'code' in error && error.code === 'ENOENT';
    const reason = isMissing ? `is not installed (Debian package ${debianPackages[program]})` : error.message;
    throw new CommandError(`the program ${program} ${reason}`);
  }
  if (status === 0 || whenDone?.test(stderr) === true) return;
  // The capability counts in the user namespace that the network belongs to: it can be there and not be enough.
  if (stderr.includes('Operation not permitted')) throw new CommandError(lackingCapability);
  throw new CommandError(`${program} ${args.join(' ')}: ${stderr.trim()}`);
}
