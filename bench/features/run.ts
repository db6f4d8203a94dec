/** Each feature alone beside the plain hop, in the same interleaved rounds. */
import { describeOutcome } from '../hop.ts';
import type { RunOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { referencePeer } from '../peers/table.ts';
import { describeSetting } from '../report.ts';
import { runSideBySide } from '../rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from '../series-context.ts';
import type { Outcome } from '../series.ts';
import { takeRound } from '../side-by-side.ts';
import { summarizePeer } from '../summary.ts';
import { costOf, judge } from './cost.ts';
import { type FeaturePeer, featurePeers } from './peers.ts';
import { type FeatureReport, type FeatureRow, formatFeatureReport } from './report.ts';
import { requestHeader } from './table.ts';

const bodyBytes = 100;

export async function runFeatures(options: RunOptions, { abort, publish }: SeriesContext): Promise<void> {
  const { chosen, present } = choosePeers(featurePeers, options.only);
  const plan = { ...options, bodies: [bodyBytes], headers: [requestHeader] };
  const outcomes = await runSideBySide(present, {
    rounds: options.rounds,
    bodies: plan.bodies,
    abort,
    async *takeRound(stage, all): AsyncGenerator<[Peer, Outcome]> {
      for await (const [peer, [outcome]] of takeRound(stage, all, plan)) {
        yield [peer, outcome ?? { failure: 'not reached' }];
      }
    },
    onTurn: (round, peer, outcome) => printTurn(round, peer, [describeOutcome(outcome)]),
  });
  const outcomesOf = (name: string): Outcome[] | undefined => [...outcomes].find(([peer]) => peer.name === name)?.[1];
  const rows = chosen.map((peer) => featureRow(peer, outcomesOf));
  const report: FeatureReport = { ...describeSetting(chosen), options, reference: referencePeer, bodyBytes, rows };
  publish(report, formatFeatureReport(report));
}

function featureRow(peer: Peer | FeaturePeer, outcomesOf: (name: string) => Outcome[] | undefined): FeatureRow {
  const own = outcomesOf(peer.name) ?? [];
  const row = summarizePeer(peer, own, outcomesOf(referencePeer));
  if (!('feature' in peer)) return { row, goal: undefined, cost: undefined, verdict: undefined };
  const cost = costOf(own, outcomesOf(peer.plain.name));
  // Another program's features have no goal of ours.
  if (peer.plain.name !== 'heddle') return { row, goal: undefined, cost, verdict: undefined };
  const { goal } = peer.feature;
  const ratio = row.status === 'measured' ? row.cpuRatio : undefined;
  return { row, goal, cost, verdict: judge(goal, cost, ratio) };
}
