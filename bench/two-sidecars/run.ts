/** Added latency of the way through two sidecars, at a rate that all of them can take. */
import { describeOpenLoopTurn, measureOpenLoop, openLoopBodyBytes } from '../open-loop/run.ts';
import type { OpenLoopTurn } from '../open-loop/report.ts';
import type { TwoSidecarsOptions } from '../options.ts';
import { direct } from '../peers/direct.ts';
import { describeSetting } from '../report.ts';
import { runRounds } from '../rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from '../series-context.ts';
import { twoSidecarsPeers } from './peers.ts';
import { formatTwoSidecarsReport, twoSidecarsRow, type TwoSidecarsReport } from './report.ts';

export async function runTwoSidecars(options: TwoSidecarsOptions, { abort, publish }: SeriesContext): Promise<void> {
  const { chosen, present } = choosePeers(twoSidecarsPeers, options.only);
  const plan = { ...options, ratePerSecond: options.rate, abort };
  const outcomes = await runRounds(present, {
    rounds: options.rounds,
    bodies: [openLoopBodyBytes],
    abort,
    takeTurn: (stage, peer) => measureOpenLoop(stage, peer, plan),
    onTurn: (round, peer, turn) => printTurn(round, peer, [describeOpenLoopTurn(turn)]),
  });
  const turnsOf = (name: string): OpenLoopTurn[] => [...outcomes].find(([peer]) => peer.name === name)?.[1] ?? [];
  const report: TwoSidecarsReport = {
    ...describeSetting(chosen),
    options,
    bodyBytes: openLoopBodyBytes,
    rows: chosen.map((peer) => twoSidecarsRow(peer, turnsOf(peer.name), turnsOf(direct.name))),
  };
  publish(report, formatTwoSidecarsReport(report));
}
