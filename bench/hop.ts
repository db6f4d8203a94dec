/** The plain hop: every peer, every body size. */
import type { BenchOptions } from './options.ts';
import type { Peer } from './peers/peer.ts';
import { peers, referencePeer } from './peers/table.ts';
import { describeSetting, formatReport, type Report } from './report.ts';
import { runSideBySide } from './rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from './series-context.ts';
import type { Outcome } from './series.ts';
import { takeRound } from './side-by-side.ts';
import { type Row, summarizePeer } from './summary.ts';

export async function runHop(options: BenchOptions, { abort, publish }: SeriesContext): Promise<void> {
  const { chosen, present } = choosePeers(peers, options.only);
  const outcomes = await runSideBySide(present, {
    ...options,
    abort,
    takeRound: (stage, all) => takeRound(stage, all, { ...options, headers: [] }),
    onTurn: (round, peer, turn) => printTurn(round, peer, turn.map(describeOutcome)),
  });
  const tableOf = (body: number): Row[] => {
    const seriesOf = ({ name }: Pick<Peer, 'name'>): Outcome[] | undefined =>
      [...outcomes]
        .find(([peer]) => peer.name === name)?.[1]
        .map((bodies) => bodies[body] ?? { failure: 'not reached' });
    const reference = seriesOf({ name: referencePeer });
    return chosen.map((peer) => summarizePeer(peer, seriesOf(peer) ?? [], reference));
  };
  const report: Report = {
    ...describeSetting(chosen),
    options,
    reference: referencePeer,
    tables: options.bodies.map((bodyBytes, body) => ({ bodyBytes, rows: tableOf(body) })),
  };
  publish(report, formatReport(report));
}

export function describeOutcome(outcome: Outcome): string {
  return 'failure' in outcome ? outcome.failure : `${outcome.measurement.cpuMicrosPerRequest.toFixed(1)} µs`;
}
