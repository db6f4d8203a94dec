/** Connections that are redirected to the proxy, opened and closed: what finding out where they were meant to go costs. */
import type { RunOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { referencePeer } from '../peers/table.ts';
import { describeSetting } from '../report.ts';
import { runRounds } from '../rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from '../series-context.ts';
import { failureOf, type Stage, whileRunning } from '../series.ts';
import { connectionBodyBytes, measureConnections } from '../tcp/connections.ts';
import {
  findNamespaceFault,
  isInNamespace,
  redirectTo,
  runInNamespace,
  serviceAddress,
  servicePort,
  setUpNamespace,
} from './namespace.ts';
import { originalDestinationPeers } from './peers.ts';
import { formatRedirectedReport, redirectedRow, type RedirectedTurn } from './report.ts';

export async function runOriginalDestination(options: RunOptions, context: SeriesContext): Promise<void> {
  const fault = isInNamespace() ? undefined : findNamespaceFault();
  if (fault === undefined && !isInNamespace()) {
    process.exitCode = await runInNamespace(context.abort);
    return;
  }
  const { chosen, present } = choosePeers(originalDestinationPeers, options.only);
  const outcomes = fault === undefined ? await measure(present, options, context) : new Map<Peer, RedirectedTurn[]>();
  const turnsOf = (name: string): RedirectedTurn[] => [...outcomes].find(([peer]) => peer.name === name)?.[1] ?? [];
  const rows = chosen.map((peer) => redirectedRow(peer, turnsOf(peer.name), turnsOf(referencePeer), fault));
  const report = { ...describeSetting(chosen), options, reference: referencePeer, rows };
  context.publish(report, formatRedirectedReport(report));
}

function measure(
  peers: readonly Peer[],
  options: RunOptions,
  { abort }: SeriesContext,
): Promise<Map<Peer, RedirectedTurn[]>> {
  setUpNamespace();
  return runRounds(peers, {
    rounds: options.rounds,
    bodies: [connectionBodyBytes],
    abort,
    takeTurn: (stage, peer) => takeTurn(stage, peer, options),
    onTurn: (round, peer, turn) => printTurn(round, peer, [describe(turn)]),
  });
}

async function takeTurn(stage: Stage, peer: Peer, options: RunOptions): Promise<RedirectedTurn> {
  try {
    const measurement = await whileRunning(stage, peer, ({ proxy, port }) => {
      redirectTo(port);
      return measureConnections(stage, { proxy, address: serviceAddress, port: servicePort }, options);
    });
    return { measurement };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

function describe(turn: RedirectedTurn): string {
  if ('failure' in turn) return turn.failure;
  const { connectionsPerSecond, cpuMicrosPerConnection } = turn.measurement;
  return `${Math.round(connectionsPerSecond)} connections/s of ${cpuMicrosPerConnection.toFixed(1)} µs`;
}
