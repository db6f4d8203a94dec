/** A sidecar's sink and a mixer on real sockets, with the sidecar's clock in the test's hand. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MixerOptions } from '../../mixer/options.ts';
import { MixerServer } from '../../mixer/server.ts';
import type { Node } from '../../proxy/api/node.ts';
import { Backoff } from '../../proxy/common/backoff.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import type { StatsStore } from '../../proxy/common/stats.ts';
import { IstioMetrics } from '../../proxy/telemetry/istio-metrics.ts';
import { MetricsSink } from '../../proxy/telemetry/metrics-sink.ts';
import type { IstioSeries } from '../../proxy/telemetry/series-generations.ts';
import { nodeMetadata } from '../proxy/telemetry/nodes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { parsePrometheusText, sumSamples, type TextFamily } from '../support/prometheus-text.ts';

/** Waits until `condition` holds, at most 10 s. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited 10 s for ${what}`);
    await sleep(2);
  }
}

export async function startMixer(options: MixerOptions = {}): Promise<MixerServer> {
  const mixer = new MixerServer({ grpcPort: 0, metricsPort: 0, logger: silentLogger, ...options });
  await mixer.start();
  return mixer;
}

async function page(mixer: MixerServer): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${mixer.metricsPort}/metrics`);
  return response.text();
}

export async function scrape(mixer: MixerServer): Promise<Map<string, TextFamily>> {
  return parsePrometheusText(await page(mixer));
}

/** Sum of `istio_requests_total` over the series with these labels. Reads only that family: it is asked often. */
export async function requestsTotal(mixer: MixerServer, labels: Record<string, string> = {}): Promise<number> {
  const lines = (await page(mixer)).split('\n').filter((line) => /^(# TYPE )?istio_requests_total\b/.test(line));
  return sumSamples(parsePrometheusText(lines.map((line) => `${line}\n`).join('')), 'istio_requests_total', labels);
}

export const flushIntervalMs = 1000;

/** One start of a sidecar: its counters begin at zero. */
export class Sidecar {
  readonly clock = new ManualClock();
  readonly metrics: IstioMetrics;
  readonly sink: MetricsSink;
  /** Where the mixer is now; undefined: nobody knows. */
  target: string | undefined;

  constructor(name: string, options: { mixer?: MixerServer; startTimeMs?: number; stats?: StatsStore } = {}) {
    const metadata = nodeMetadata({ name, workloadName: name });
    this.metrics = new IstioMetrics(metadata);
    this.setMixer(options.mixer);
    const node: Node = { id: `sidecar~127.0.0.1~${name}.shop~shop.svc.cluster.local`, cluster: name, metadata };
    this.sink = new MetricsSink({
      target: () => this.target,
      node,
      metrics: this.metrics,
      stats: options.stats,
      flushIntervalMs,
      startTimeMs: options.startTimeMs ?? this.clock.nowMs(),
      clock: this.clock,
      backoff: new Backoff(100, 1000, () => 0.5),
      logger: silentLogger,
    });
  }

  setMixer(mixer: MixerServer | undefined): void {
    this.target = mixer === undefined ? undefined : `127.0.0.1:${mixer.grpcPort}`;
  }

  /** Counts `count` requests to a workload of this version. */
  request(count = 1, version = 'v1'): void {
    const workload = {
      name: `consumer-${version}`,
      namespace: 'shop',
      canonicalService: 'consumer',
      canonicalRevision: version,
      clusterId: 'Kubernetes',
    };
    const scope = this.metrics.outboundScope(undefined, workload);
    for (let i = 0; i < count; i += 1) this.metrics.record(scope, 200, '-', 2, 10, 100);
  }

  /** Takes out every series that the mixer knows. */
  expireSaid(): void {
    const isSaid = (series: IstioSeries): boolean => this.sink.hasSaid(series);
    this.metrics.sweep({ nowMs: this.clock.nowMs(), expireAfterMs: 0, isSaid });
  }

  /** Turns the clock on, a flush interval at a time, until the mixer shows `expected` requests from here. */
  async tickUntil(mixer: MixerServer, expected: number, labels: Record<string, string> = {}): Promise<void> {
    await until(async () => {
      this.clock.advance(flushIntervalMs);
      return (await requestsTotal(mixer, labels)) === expected;
    }, `${expected} requests at the mixer`);
  }
}
