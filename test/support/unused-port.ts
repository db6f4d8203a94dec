/**
 * Loopback ports on which nothing listens, for processes that do not listen yet and for servers that nobody reaches.
 *
 * They come from below the ranges from which Linux (32768 and up) and `heddle run` (20,000 and up) take theirs, and each of
 * the processes that run tests has ports of its own: nobody takes one in the meantime, and who calls where nobody is does
 * not reach the server of another test.
 */
import { canListen } from '../../pilot/cli/free-ports.ts';

const first = 16_000;
const count = 1000;
/** Which of the processes that run tests side by side this is, from 1 on. vitest.config.ts has at most three. */
const worker = Number(process.env['VITEST_POOL_ID'] ?? 1);
const lane = first + ((worker - 1) % 4) * count;
/** Random, for those of another run on this machine. */
let next = Math.floor(Math.random() * count);

/** Distinct ports, each of which comes again only when all others have come. */
export async function unusedPorts(wanted: number): Promise<number[]> {
  const ports: number[] = [];
  for (let probes = 0; ports.length < wanted && probes < count; probes += 1) {
    const port = lane + next;
    next = (next + 1) % count;
    if (await canListen(port, '127.0.0.1')) ports.push(port);
  }
  if (ports.length < wanted) throw new Error(`no unused port from ${lane} to ${lane + count - 1}`);
  return ports;
}

export async function unusedPort(): Promise<number> {
  const [port = 0] = await unusedPorts(1);
  return port;
}
