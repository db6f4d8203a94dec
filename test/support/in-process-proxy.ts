/** A whole proxy in this process, from a bootstrap as a file would have it. */
import { readBootstrap } from '../../proxy/bootstrap.ts';
import { requireValue } from '../../proxy/common/decoded.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { type ProxyOptions, ProxyServer } from '../../proxy/server.ts';
import { closeAfterTest } from './closing.ts';
import { seededRandom } from './seeded-random.ts';

export interface InProcessProxy {
  readonly server: ProxyServer;
  /** Of the first listener. */
  readonly port: number;
  readonly adminPort: number;
}

/** Not started yet; closed when the test is over. */
export function createProxy(bootstrap: string, options: ProxyOptions = {}): ProxyServer {
  const value = requireValue(readBootstrap(bootstrap, 'test'), 'test');
  return closeAfterTest(new ProxyServer(value, { logger: silentLogger, random: seededRandom(1), ...options }));
}

export async function startProxy(bootstrap: string, options: ProxyOptions = {}): Promise<InProcessProxy> {
  const server = createProxy(bootstrap, options);
  await server.start();
  return { server, port: server.listeners.list()[0]?.port ?? 0, adminPort: server.adminPort ?? 0 };
}
