/** `npm run bench`: flags → series → report. The report goes to stdout, progress to stderr. */
import { runCanary } from './canary/run.ts';
import { featurePeers } from './features/peers.ts';
import { runFeatures } from './features/run.ts';
import { runHop } from './hop.ts';
import { http2Peers } from './http2/peers.ts';
import { runHttp2 } from './http2/run.ts';
import { formatInProcess, measureInProcess } from './in-process/run.ts';
import { memoryPeers, runMemory } from './memory/run.ts';
import { runMixer } from './mixer/run.ts';
import { openLoopPeers, runOpenLoop } from './open-loop/run.ts';
import { originalDestinationPeers } from './original-destination/peers.ts';
import { runOriginalDestination } from './original-destination/run.ts';
import { type RunOptions, type SeriesCommand, benchCommand } from './options.ts';
import type { Peer } from './peers/peer.ts';
import { peers } from './peers/table.ts';
import { tcpPeers } from './tcp/peers.ts';
import { runTcp } from './tcp/run.ts';
import { tlsPeers } from './tls/peers.ts';
import { runTls } from './tls/run.ts';
import { twoSidecarsPeers } from './two-sidecars/peers.ts';
import { runTwoSidecars } from './two-sidecars/run.ts';
import { createSeriesContext, type SeriesContext } from './series-context.ts';

function series<O extends RunOptions>(
  of: readonly Peer[],
  run: (options: O, context: SeriesContext) => Promise<void>,
): SeriesCommand<O> {
  return { peerNames: of.map(({ name }) => name), run: (options) => run(options, createSeriesContext(options)) };
}

try {
  await benchCommand({
    hop: series(peers, runHop),
    features: series(featurePeers, runFeatures),
    openLoop: series(openLoopPeers, runOpenLoop),
    memory: series(memoryPeers, runMemory),
    tcp: series(tcpPeers, runTcp),
    originalDestination: series(originalDestinationPeers, runOriginalDestination),
    tls: series(tlsPeers, runTls),
    http2: series(http2Peers, runHttp2),
    twoSidecars: series(twoSidecarsPeers, runTwoSidecars),
    mixer: { run: runMixer },
    inProcess: { run: async (options) => console.log(formatInProcess(await measureInProcess(options), options)) },
    canary: { run: runCanary },
  }).parseAsync();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
