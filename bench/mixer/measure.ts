/** The measurements of the series `mixer`: in this process, so that what is counted is the mixer's own work, but for the streams. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { defaultLimits } from '../../mixer/options.ts';
import { MixerServer } from '../../mixer/server.ts';
import { LogCounts } from '../../mixer/telemetry/log-counts.ts';
import { Totals } from '../../mixer/telemetry/totals.ts';
import { decodeAccessLogs, type LogEntry } from '../../proxy/api/log-entry-decoder.ts';
import { decodeNode } from '../../proxy/api/node.ts';
import { requireValue } from '../../proxy/common/decoded.ts';
import { exposeInSlices } from '../../proxy/common/exposition.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { IstioMetrics } from '../../proxy/telemetry/istio-metrics.ts';
import { GrpcLoad } from './grpc-load.ts';
import { HeldLoop } from './held-loop.ts';
import { identifier, logMessages } from './log-messages.ts';
import type { ReportForm } from './reports.ts';

export interface MixerBenchOptions {
  readonly sidecars: number;
  readonly seconds: number;
  /** Label sets that are live while entries are counted and pages are written. */
  readonly series: number;
}

/** Sidecars that report over gRPC to a mixer that is a process of its own: how much of a core it takes. */
export async function measureStreams(
  options: MixerBenchOptions & { readonly labelSets: number },
  form: ReportForm,
): Promise<{ share: number; kept: number }> {
  const load = await GrpcLoad.start(options, form);
  try {
    return await load.run(options.seconds);
  } finally {
    await load.close();
  }
}

function liveTotals(): { totals: Totals; counts: LogCounts } {
  const totals = new Totals(defaultLimits);
  return { totals, counts: new LogCounts(totals, defaultLimits) };
}

/** Entries per second of processor time. */
export function measureEntries({ series, seconds }: MixerBenchOptions): number {
  const { counts } = liveTotals();
  const nowMs = Date.now();
  const count = countInto(counts, nowMs);
  const messages = logMessages(series, nowMs);
  for (const message of messages) count.receive(message);
  const { entries: warmed } = count;
  const before = process.cpuUsage();
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) for (const message of messages) count.receive(message);
  const { user, system } = process.cpuUsage(before);
  return ((count.entries - warmed) / (user + system)) * 1e6;
}

function countInto(counts: LogCounts, nowMs: number): { entries: number; receive(bytes: Uint8Array): void } {
  const node = { id: 'envoy', metadata: { WORKLOAD_NAME: 'front', NAMESPACE: 'edge', LABELS: { app: 'front' } } };
  const source = counts.source(requireValue(decodeNode(node), 'node').metadata);
  const visitor = {
    entries: 0,
    onNode: (): void => {},
    onEntry: (entry: LogEntry): void => {
      if (counts.rejectionOf(entry, nowMs) === undefined && counts.count(source, entry, nowMs)) visitor.entries += 1;
    },
    receive: (bytes: Uint8Array): void => {
      requireValue(decodeAccessLogs(bytes, visitor), 'message');
    },
  };
  visitor.receive(identifier());
  return visitor;
}

export interface PageCost {
  readonly longestMs: number;
  readonly totalMs: number;
  readonly bytes: number;
}

/** A page of `series` label sets in each of the metrics of HTTP: how long the loop is held at most while it is written. */
export async function measurePage({ series }: MixerBenchOptions, format: 'text' | 'openmetrics'): Promise<PageCost> {
  const { totals, counts } = liveTotals();
  const nowMs = Date.now();
  const count = countInto(counts, nowMs);
  for (const message of logMessages(series, nowMs)) count.receive(message);
  const write = async (): Promise<number> => {
    let bytes = 0;
    for await (const slice of exposeInSlices(totals.exposed(nowMs), format)) bytes += Buffer.byteLength(slice);
    return bytes;
  };
  await write();
  await turn();
  const loop = new HeldLoop();
  const startMs = performance.now();
  const bytes = await write();
  const totalMs = performance.now() - startMs;
  return { longestMs: loop.stop(), totalMs, bytes };
}

/** The same page over HTTP, to a client that is a process of its own. */
export async function measureScrape({ series }: MixerBenchOptions): Promise<number> {
  const mixer = new MixerServer({ grpcPort: 0, metricsPort: 0, logger: silentLogger });
  await mixer.start();
  try {
    const { default: grpc } = await import('@grpc/grpc-js');
    const client = new grpc.Client(`127.0.0.1:${mixer.grpcPort}`, grpc.credentials.createInsecure());
    const { streamAccessLogs: method } = await import('../../proxy/api/access-log-service.ts');
    await new Promise<void>((resolve, reject) => {
      const onAnswer = (error: Error | null): void => (error === null ? resolve() : reject(error));
      const call = client.makeClientStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        onAnswer,
      );
      call.write(identifier());
      for (const message of logMessages(series, Date.now())) call.write(message);
      call.end();
    });
    client.close();
    const url = `http://127.0.0.1:${mixer.metricsPort}/metrics`;
    const script = `fetch('${url}').then(async ({ body }) => { for await (const chunk of body) chunk.length; })`;
    const scraper = spawn(process.execPath, ['-e', script], { stdio: 'inherit' });
    // To start a process takes longer than any turn of the loop.
    const loop = new HeldLoop();
    await once(scraper, 'exit');
    return loop.stop();
  } finally {
    await mixer.close();
  }
}

/** Nanoseconds that counting one finished request takes, when its series is known. */
export function measureRecording(): number {
  const metrics = new IstioMetrics(
    requireValue(decodeNode({ id: 'a', metadata: { WORKLOAD_NAME: 'web' } }), 'node').metadata,
  );
  const workload = { name: 'a', namespace: 'b', canonicalService: 'a', canonicalRevision: 'v1', clusterId: 'c' };
  const scope = metrics.outboundScope({ host: 'a.b', name: 'a', namespace: 'b' }, workload);
  const record = (count: number): void => {
    for (let i = 0; i < count; i += 1) metrics.record(scope, 200 + (i & 3), '-', i & 1023, 0, 100);
  };
  record(1e6);
  const count = 5e6;
  const before = process.cpuUsage();
  record(count);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / count) * 1_000;
}
