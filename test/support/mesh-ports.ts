/**
 * Ports for the processes of a mesh that do not listen yet. They come from outside the range from which `heddle run` takes
 * its own (20,000 and up), and each test process begins at a random one, so that nobody takes them in the meantime.
 */
import { canListen } from '../../pilot/cli/free-ports.ts';

const first = 16_000;
const count = 4000;
let next = Math.floor(Math.random() * count);

/** Distinct ports on which 127.0.0.1 can listen now. */
export async function findMeshPorts(wanted: number): Promise<number[]> {
  const ports: number[] = [];
  for (let probes = 0; ports.length < wanted && probes < count; probes += 1) {
    const port = first + next;
    next = (next + 1) % count;
    if (await canListen(port, '127.0.0.1')) ports.push(port);
  }
  return ports;
}
