/** How this machine looks names up: resolv.conf(5). */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { SocketAddress } from '../api/address-decoder.ts';

export interface SystemResolvers {
  readonly servers: readonly SocketAddress[];
  /** Lower case, without dots at the end. */
  readonly searchDomains: readonly string[];
}

/** Beyond that resolvers ignore what is there. */
const maxServers = 3;
/** Where a machine without the file, or without servers in it, asks. */
const ownServer: SocketAddress = { address: '127.0.0.1', port: 53 };

/** Read once, when the proxy starts: later the file may name the proxy itself. */
export function readSystemResolvers(path: string): SystemResolvers {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'));
  } catch {
    return parseResolvConf('');
  }
}

/** The last `search` or `domain` counts. What is no address is no server. */
export function parseResolvConf(text: string): SystemResolvers {
  const servers: SocketAddress[] = [];
  let searchDomains: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.split(/[#;]/, 1)[0]?.trim().split(/\s+/) ?? [];
    const [address = ''] = values;
    if (keyword === 'nameserver' && isIP(address) !== 0) servers.push({ address, port: 53 });
    if (keyword === 'search') searchDomains = values;
    if (keyword === 'domain') searchDomains = values.slice(0, 1);
  }
  return {
    servers: servers.length === 0 ? [ownServer] : servers.slice(0, maxServers),
    searchDomains: searchDomains
      .map((domain) => domain.toLowerCase().replace(/\.+$/, ''))
      .filter((domain) => domain !== ''),
  };
}
