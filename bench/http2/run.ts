/** HTTP/2: what a request over a shared connection costs, in front of a backend of HTTP/1.1 and of one of HTTP/2. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { startBackend } from '../backend.ts';
import { describeOutcome } from '../hop.ts';
import type { BenchOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { referencePeer } from '../peers/table.ts';
import { describeSetting, formatReport, type Report } from '../report.ts';
import { runSideBySide } from '../rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from '../series-context.ts';
import type { Outcome, Stage } from '../series.ts';
import { takeRound } from '../side-by-side.ts';
import { summarizePeer } from '../summary.ts';
import { Http2Load } from './load.ts';
import { type Http2Peer, http2Peers } from './peers.ts';

export async function runHttp2(options: BenchOptions, { abort, publish }: SeriesContext): Promise<void> {
  const { chosen, present } = choosePeers(http2Peers, options.only);
  const outcomes = await runSideBySide(present, {
    ...options,
    abort,
    takeRound: (stage, peers) => takeBothRounds(stage, peers, options, abort),
    onTurn: (round, peer, turn) => printTurn(round, peer, turn.map(describeOutcome)),
  });
  const seriesOf = (name: string, index: number): Outcome[] | undefined =>
    [...outcomes].find(([peer]) => peer.name === name)?.[1].map((turn) => turn[index] ?? { failure: 'not reached' });
  const { bodies } = options;
  const table = (index: number, bodyBytes: number, upstream: string): Report['tables'][number] => ({
    bodyBytes,
    title: `HTTP/2 in front of ${upstream}: `,
    rows: chosen.map((peer) => summarizePeer(peer, seriesOf(peer.name, index) ?? [], seriesOf(referencePeer, index))),
  });
  const report: Report = {
    ...describeSetting(chosen),
    options,
    reference: referencePeer,
    tables: [
      ...bodies.map((bodyBytes, i) => table(i, bodyBytes, 'HTTP/1.1')),
      ...bodies.map((bodyBytes, i) => table(bodies.length + i, bodyBytes, 'HTTP/2')),
    ],
  };
  publish(report, formatReport(report));
}

/** One outcome per body size, first in front of HTTP/1.1 and then of HTTP/2. */
async function* takeBothRounds(
  stage: Stage,
  peers: readonly Peer[],
  options: BenchOptions,
  abort: AbortSignal,
): AsyncGenerator<readonly [Peer, readonly Outcome[]]> {
  const plan = { ...options, headers: [] };
  const load = new Http2Load(stage.directory, abort);
  const outcomes = new Map<string, Outcome[]>();
  const take = async (own: Stage, all: readonly Peer[]): Promise<void> => {
    for await (const [{ name }, turn] of takeRound(own, all, plan)) {
      outcomes.set(name, [...(outcomes.get(name) ?? []), ...turn]);
    }
  };
  await take({ ...stage, load }, peers);
  const directory = mkdtempSync(join(stage.directory, 'http2-backend-'));
  const directives = 'http2_max_requests 1000000000;';
  const backend = await startBackend(stage.processes, directory, options.bodies, {
    listenOptions: 'http2',
    directives,
  });
  const upstream = peers.map((peer): Peer => ({ ...peer, start: (scene) => http2PeerOf(peer).startHttp2(scene) }));
  await take({ ...stage, load, backend }, upstream);
  for (const peer of peers) yield [peer, outcomes.get(peer.name) ?? []];
}

function http2PeerOf({ name }: Peer): Http2Peer {
  const peer = http2Peers.find((each) => each.name === name);
  if (peer === undefined) throw new Error(`no proxy of HTTP/2 is called ${name}`);
  return peer;
}
