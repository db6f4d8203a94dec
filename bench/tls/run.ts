/** TLS: what ending it costs a keep-alive hop, and what routing by server name costs bytes that are only passed on. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { startBackend } from '../backend.ts';
import { describeOutcome } from '../hop.ts';
import type { BenchOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { referencePeer } from '../peers/table.ts';
import { describeSetting } from '../report.ts';
import { runRounds } from '../rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from '../series-context.ts';
import { failureOf, type Outcome, type Stage, takeTurn } from '../series.ts';
import { type Certificate, certificateIn, nginxTls } from './certificate.ts';
import { type TlsPeer, tlsPeers } from './peers.ts';
import { formatTlsReport, type Pair, pairRow, type TlsReport } from './report.ts';

/** Large, so that bytes and not requests are what it costs. */
const passedBytes = 262_144;

interface TlsTurn {
  /** One per body size. */
  readonly terminating: readonly Pair<Outcome>[];
  readonly passing: Pair<Outcome>;
}

export async function runTls(options: BenchOptions, { abort, publish }: SeriesContext): Promise<void> {
  const { chosen, present } = choosePeers(tlsPeers, options.only);
  const outcomes = await runRounds(present, {
    rounds: options.rounds,
    bodies: options.bodies,
    abort,
    takeTurn: (stage, peer) => takeTlsTurn(stage, tlsPeerOf(peer), options),
    onTurn: (round, peer, turn) => printTurn(round, peer, describeTurn(turn)),
  });
  const rowsOf = (pick: (turn: TlsTurn) => Pair<Outcome> | undefined) => {
    const pairsOf = (name: string): Pair<Outcome>[] | undefined =>
      [...outcomes].find(([peer]) => peer.name === name)?.[1].map((turn) => pick(turn) ?? notReached);
    return chosen.map((peer) => pairRow(peer, pairsOf(peer.name) ?? [], pairsOf(referencePeer)));
  };
  const report: TlsReport = {
    ...describeSetting(chosen),
    options,
    reference: referencePeer,
    terminating: options.bodies.map((bodyBytes, body) => ({
      bodyBytes,
      rows: rowsOf(({ terminating }) => terminating[body]),
    })),
    passing: rowsOf(({ passing }) => passing),
    passedBytes,
  };
  publish(report, formatTlsReport(report));
}

const failed = (failure: string): Pair<Outcome> => ({ base: { failure }, own: { failure } });
const notReached = failed('not reached');

function tlsPeerOf({ name }: Peer): TlsPeer {
  const peer = tlsPeers.find((each) => each.name === name);
  if (peer === undefined) throw new Error(`no proxy of TLS is called ${name}`);
  return peer;
}

async function takeTlsTurn(stage: Stage, peer: TlsPeer, options: BenchOptions): Promise<TlsTurn> {
  const certificate = certificateIn(stage.directory);
  const plan = { ...options, headers: [] };
  const plain = await takeTurn(stage, peer, plan);
  const ending: Peer = { ...peer, start: (scene) => peer.terminate(scene, certificate) };
  const terminated = await takeTurn(stage, ending, { ...plan, certificate: certificate.text });
  const terminating = plain.map((base, body): Pair<Outcome> => ({
    base,
    own: terminated[body] ?? { failure: 'not reached' },
  }));
  const passing = {
    base: await measurePassing(stage, { ...peer, start: (scene) => peer.pass(scene) }, options, certificate),
    own: await measurePassing(stage, { ...peer, start: (scene) => peer.passByName(scene) }, options, certificate),
  };
  return { terminating, passing };
}

/** The backend ends TLS. */
async function measurePassing(
  stage: Stage,
  peer: Peer,
  options: BenchOptions,
  certificate: Certificate,
): Promise<Outcome> {
  const plan = { ...options, headers: [], certificate: certificate.text, bodies: [passedBytes] };
  try {
    const directory = mkdtempSync(join(stage.directory, 'tls-backend-'));
    const backend = await startBackend(stage.processes, directory, plan.bodies, nginxTls(certificate));
    const [outcome] = await takeTurn({ ...stage, backend }, peer, plan);
    return outcome ?? { failure: 'not reached' };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

function describeTurn({ terminating, passing }: TlsTurn): string[] {
  return [...terminating, passing].map(({ base, own }) => `${describeOutcome(base)} → ${describeOutcome(own)}`);
}
