/** What idle connections cost in memory. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readRssBytes } from '../memory/rss-meter.ts';

/** Opened at a time: no accept queue overflows. */
const batch = 250;
/** What was allocated for connecting is free again by then. */
const settleMs = 1_500;

/** A server of its own process, because this one's files are used up by the clients; it ends with this process. */
export async function startIdleServer(): Promise<{ readonly port: number; readonly close: () => void }> {
  const child = fork(fileURLToPath(new URL('./idle-server.js', import.meta.url)), { stdio: 'ignore' });
  const [port] = (await once(child, 'message')) as [number];
  return { port, close: () => void child.kill() };
}

/** Bytes of the process `pid` per connection through `port`, when `count` are open and nothing is said. */
export async function measureIdle(pid: number, port: number, count: number): Promise<number> {
  // What the first connections load stays: it is no part of what one more costs.
  const sockets = await openAll(port, batch);
  try {
    await sleep(settleMs);
    const before = readRssBytes(pid);
    sockets.push(...(await openAll(port, count)));
    await sleep(settleMs);
    const { length } = sockets.filter(({ destroyed }) => destroyed);
    if (length > 0) throw new Error(`${length} of ${count} idle connections were closed`);
    return (readRssBytes(pid) - before) / count;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function openAll(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const opened = Array.from({ length: Math.min(batch, count - sockets.length) }, () => connect(port, '127.0.0.1'));
    for (const socket of opened) socket.on('error', () => {});
    // The server greets when it has the connection: then the proxy has it too.
    await Promise.all(opened.map((socket) => once(socket, 'data')));
    sockets.push(...opened);
  }
  return sockets;
}
