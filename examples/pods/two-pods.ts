/** Two network namespaces with a cable between them, as two pods would have. Linux, and root's business. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

export interface DemoPod {
  /** The network namespace. */
  readonly name: string;
  readonly address: string;
}

/** Programs of Linux distributions; the first three come with iproute2, nftables and util-linux. */
const programs = ['ip', 'nft', 'setpriv', 'curl'];

/** Why there can be no pods here, in one sentence; undefined when there can. */
export function findFault(): string | undefined {
  if (process.platform !== 'linux') return `The demo needs network namespaces of Linux, this is ${process.platform}.`;
  if (process.getuid?.() !== 0)
    return 'The demo makes two network namespaces, which only root can: sudo npm run demo:pods';
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length === 0 ? undefined : `The demo needs programs that are not installed: ${missing.join(', ')}.`;
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export class TwoPods {
  readonly shop: DemoPod;
  readonly user: DemoPod;
  #isClosed = false;

  /** `hosts`: names that programs in the user's pod know, as `/etc/hosts` has them. */
  constructor(hosts: string) {
    // An address range of documentation (RFC 5737), which leads nowhere else.
    this.shop = { name: `heddle-shop-${process.pid}`, address: '192.0.2.1' };
    this.user = { name: `heddle-user-${process.pid}`, address: '192.0.2.2' };
    try {
      for (const { name } of [this.shop, this.user]) ip('netns', 'add', name);
      this.#connect();
      // `ip netns exec` shows it in place of the file of the same name.
      mkdirSync(this.#filesFolder, { recursive: true });
      writeFileSync(`${this.#filesFolder}/hosts`, hosts);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get #filesFolder(): string {
    return `/etc/netns/${this.user.name}`;
  }

  #connect(): void {
    const end = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', this.user.name];
    ip('-n', this.shop.name, 'link', 'add', 'eth0', ...end);
    for (const { name, address } of [this.shop, this.user]) {
      ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0');
      for (const link of ['lo', 'eth0']) ip('-n', name, 'link', 'set', link, 'up');
    }
    ip('-n', this.user.name, 'route', 'add', 'default', 'via', this.shop.address);
  }

  /** Removes the namespaces, the cable with them. Programs in them have to be ended before. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { name } of [this.shop, this.user]) {
      try {
        ip('netns', 'del', name);
      } catch {
        // It was not made.
      }
    }
    rmSync(this.#filesFolder, { recursive: true, force: true });
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' });
}
