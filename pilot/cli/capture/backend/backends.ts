/** The table of backends, in the order in which they are preferred. */
import { CommandError } from '../../exit-code.ts';
import type { Backend, BackendName } from './backend.ts';
import { iptables } from './iptables.ts';
import { nftables } from './nftables.ts';

const backends: readonly Backend[] = [nftables, iptables];

export function installedBackends(): readonly Backend[] {
  return backends.filter(({ isInstalled }) => isInstalled());
}

/** The one that is asked for, or the first that is there. */
export function chooseBackend(name: BackendName | undefined, installed: readonly Backend[]): Backend {
  const chosen = name === undefined ? installed[0] : backends.find((backend) => backend.name === name);
  if (chosen !== undefined) return chosen;
  throw new CommandError('neither nft nor iptables-restore is installed (Debian packages nftables, iptables)');
}
