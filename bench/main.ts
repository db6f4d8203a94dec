/** `npm run bench`: flags → rounds → report. The report goes to stdout, progress to stderr. */
import { writeFileSync } from 'node:fs';
import { type BenchOptions, benchCommand } from './options.ts';
import { peers, referencePeer } from './peers/table.ts';
import type { Peer } from './peers/peer.ts';
import { describeMachine, describePeer, formatReport, type Report } from './report.ts';
import { type PeerOutcomes, runRounds } from './rounds.ts';
import type { Outcome } from './series.ts';
import { type Row, summarize } from './summary.ts';

async function run(options: BenchOptions): Promise<void> {
  const chosen = peers.filter(({ name }) => options.only?.includes(name) ?? true);
  const present = chosen.filter((peer) => 'version' in peer.probe());
  const outcomes = await runRounds(present, options, { abort: abortOnSignals(), onTurn: printTurn });
  const report: Report = {
    machine: describeMachine(),
    options,
    reference: referencePeer,
    peers: chosen.map(describePeer),
    tables: options.bodies.map((bodyBytes, body) => ({ bodyBytes, rows: tableRows(chosen, outcomes, body) })),
  };
  console.log(formatReport(report));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
}

function tableRows(chosen: readonly Peer[], outcomes: PeerOutcomes, body: number): Row[] {
  const seriesOf = (peer: Peer | undefined): Outcome[] | undefined => {
    const rounds = peer === undefined ? undefined : outcomes.get(peer);
    return rounds?.map((bodies) => bodies[body] ?? { failure: 'not reached' });
  };
  const reference = seriesOf(chosen.find(({ name }) => name === referencePeer));
  return chosen.map((peer) => {
    const probe = peer.probe();
    if ('missing' in probe) return { peer: peer.name, status: 'missing', reason: probe.missing };
    return summarize(peer.name, seriesOf(peer) ?? [], reference);
  });
}

function printTurn(round: number, peer: Peer, outcomes: readonly Outcome[]): void {
  const texts = outcomes.map((outcome) =>
    'failure' in outcome ? outcome.failure : `${outcome.measurement.cpuMicrosPerRequest.toFixed(1)} µs`,
  );
  console.error(`round ${round + 1} ${peer.name}: ${texts.join(', ')}`);
}

/** Ctrl-C and SIGTERM end the load at once; the rounds then stop what they started. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)));
  }
  return controller.signal;
}

try {
  await benchCommand(
    peers.map(({ name }) => name),
    run,
  ).parseAsync();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
