/** A program as a container runs it, but for the image: a read-only root file system, a user, and no capability but these. */
import { tmpdir } from 'node:os';

export interface ContainerOptions {
  /** `uid:gid`; default root's. */
  readonly user?: string | undefined;
  /** As `NET_ADMIN`; default none. */
  readonly capabilities?: readonly string[];
  /** Folders of this machine that it may write to; default none. */
  readonly writable?: readonly string[];
}

/** Needs root. The process id stays that of the command. */
export function contain(command: readonly string[], options: ContainerOptions = {}): readonly string[] {
  const { user = '0:0', capabilities = [], writable = [] } = options;
  const [uid = '', gid = uid] = user.split(':');
  // The mount namespace is the program's own: nobody else sees this. A folder for temporary files can be a disk of its own.
  const mounts = [
    'mount -o remount,bind,ro /',
    ...mountAgain(tmpdir(), 'ro'),
    ...writable.flatMap((folder) => mountAgain(folder, 'rw')),
  ];
  const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
  const rights = [`--bounding-set=${bounding}`, '--inh-caps=-all', '--no-new-privs'];
  const identity = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  const asUser = ['setpriv', ...identity, ...rights, '--', ...command];
  return ['unshare', '--mount', 'sh', '-ec', `${mounts.join('\n')}\nexec "$@"`, 'sh', ...asUser];
}

/** On itself, so that it has rights of its own. */
function mountAgain(folder: string, rights: 'ro' | 'rw'): readonly string[] {
  return [`mount --bind '${folder}' '${folder}'`, `mount -o remount,bind,${rights} '${folder}'`];
}
