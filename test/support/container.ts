/** A program as a container runs it, but for the image: a read-only root file system, a user, and no capability but these. */

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
  // The mount namespace is the program's own: nobody else sees this. A folder that is mounted on itself keeps its rights.
  const mounts = [...writable.map((folder) => `mount --bind '${folder}' '${folder}'`), 'mount -o remount,bind,ro /'];
  const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
  const rights = [`--bounding-set=${bounding}`, '--inh-caps=-all', '--no-new-privs'];
  const identity = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  const asUser = ['setpriv', ...identity, ...rights, '--', ...command];
  return ['unshare', '--mount', 'sh', '-ec', `${mounts.join('\n')}\nexec "$@"`, 'sh', ...asUser];
}
