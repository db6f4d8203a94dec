/** Ports for a sidecar whose owner names none. */
import { createServer } from 'node:net';

/**
 * Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that none of those can
 * take a port between this probe and the listener.
 */
const first = 20_000;
const count = 12_000;
/** Each process begins at a place of its own: processes that start together do not find the same port free. */
const stride = 16;
let next = (process.pid * stride) % count;

/** Distinct ports on which `host` can listen now. `reserved`: those that somebody is going to take. */
export async function findFreePorts(
  wanted: number,
  host = '127.0.0.1',
  reserved: readonly number[] = [],
): Promise<number[]> {
  const ports: number[] = [];
  for (let probes = 0; ports.length < wanted && probes < count; probes += 1) {
    const port = first + next;
    next = (next + 1) % count;
    if (!reserved.includes(port) && (await canListen(port, host))) ports.push(port);
  }
  if (ports.length < wanted) throw new Error(`no free port on ${host} from ${first} to ${first + count - 1}`);
  return ports;
}

/** Whether `host` can listen on a port now. */
export function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host }, () => server.close(() => resolve(true)));
  });
}
