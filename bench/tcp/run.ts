/** Raw TCP: bulk transfers over one connection and over many, connections opened and closed, and idle ones. */
import { readCpuMicros } from '../cpu-meter.ts';
import type { TcpOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { referencePeer } from '../peers/table.ts';
import { describeSetting } from '../report.ts';
import { runRounds } from '../rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from '../series-context.ts';
import { failureOf, type Stage, whileRunning } from '../series.ts';
import { runBulk, startBulkServer } from './bulk.ts';
import { connectionBodyBytes, measureConnections } from './connections.ts';
import { measureIdle, startIdleServer } from './idle.ts';
import { tcpPeers } from './peers.ts';
import { describeTcpTurn, formatTcpReport, type TcpMeasurement, tcpRow, type TcpTurn } from './report.ts';

export async function runTcp(options: TcpOptions, { abort, publish }: SeriesContext): Promise<void> {
  const { chosen, present } = choosePeers(tcpPeers, options.only);
  const outcomes = await runRounds(present, {
    rounds: options.rounds,
    bodies: [connectionBodyBytes],
    abort,
    takeTurn: (stage, peer) => takeTcpTurn(stage, peer, options, abort),
    onTurn: (round, peer, turn) => printTurn(round, peer, [describeTcpTurn(turn)]),
  });
  const turnsOf = (name: string): TcpTurn[] => [...outcomes].find(([peer]) => peer.name === name)?.[1] ?? [];
  const rows = chosen.map((peer) => tcpRow(peer, turnsOf(peer.name), turnsOf(referencePeer)));
  const report = { ...describeSetting(chosen), options, reference: referencePeer, rows };
  publish(report, formatTcpReport(report));
}

async function takeTcpTurn(stage: Stage, peer: Peer, options: TcpOptions, abort: AbortSignal): Promise<TcpTurn> {
  try {
    const bulk = await measureBulk(stage, peer, options, abort);
    const connections = await whileRunning(stage, peer, (running) => measureConnections(stage, running, options));
    const idleBytesPerConnection = await measureIdlePeer(stage, peer, options);
    return { measurement: { ...bulk, ...connections, idleBytesPerConnection } };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

type Bulk = Pick<TcpMeasurement, 'one' | 'many'>;

async function measureBulk(stage: Stage, peer: Peer, options: TcpOptions, abort: AbortSignal): Promise<Bulk> {
  const server = await startBulkServer(stage.processes);
  const { seconds, warmupSeconds, connections } = options;
  return whileRunning({ ...stage, backend: { ports: [server, server] } }, peer, async ({ proxy, port }) => {
    const measure = async (parallel: number) => {
      if (warmupSeconds > 0) await runBulk({ port, connections: parallel, seconds: warmupSeconds, abort });
      const cpuBefore = readCpuMicros(proxy.pid);
      const bytes = await runBulk({ port, connections: parallel, seconds, abort });
      const cpuMicros = readCpuMicros(proxy.pid) - cpuBefore;
      return { gigabytesPerSecond: bytes / seconds / 1e9, cpuSecondsPerGigabyte: cpuMicros / 1e6 / (bytes / 1e9) };
    };
    return { one: await measure(1), many: await measure(connections) };
  });
}

async function measureIdlePeer(stage: Stage, peer: Peer, { idleConnections }: TcpOptions): Promise<number> {
  const server = await startIdleServer();
  try {
    const backend = { ports: [server.port, server.port] } as const;
    return await whileRunning({ ...stage, backend }, peer, ({ proxy, port }) =>
      measureIdle(proxy.pid, port, idleConnections),
    );
  } finally {
    server.close();
  }
}
