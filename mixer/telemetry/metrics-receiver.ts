/** The server side of `StreamMetrics`: one report stream per instance, each message checked and put into the ledger. */
import { status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { MetricsDecoder } from '../../proxy/api/metrics-decoder.ts';
import type { MetricFamily } from '../../proxy/api/metrics-service.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { Instance } from './instance.ts';
import type { Ledger } from './ledger.ts';
import type { MixerMetrics } from './mixer-metrics.ts';
import { encodingFault, nodeFault, ReportStreams, type StreamFault, type StreamReader } from './report-streams.ts';
import { familyRejection, readSample } from './sample.ts';

export interface ReceiverParts {
  readonly ledger: Ledger;
  readonly metrics: MixerMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class MetricsReceiver {
  readonly #streams: ReportStreams;

  constructor(parts: ReceiverParts) {
    this.#streams = new ReportStreams(parts, () => new MetricsStreamReader(parts));
  }

  /** For grpc-js' `addService`. */
  get implementation(): UntypedServiceImplementation {
    return { streamMetrics: this.#streams.handle };
  }

  endStreams(): void {
    this.#streams.endAll();
  }
}

class MetricsStreamReader implements StreamReader {
  readonly #parts: ReceiverParts;
  readonly #decoder = new MetricsDecoder();
  #instance: Instance | undefined;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  receive(bytes: Uint8Array): StreamFault | undefined {
    const { ledger, clock } = this.#parts;
    const decoded = this.#decoder.decode(bytes);
    if (decoded.errors !== undefined) return encodingFault(decoded.errors);
    const { node, families } = decoded.value;
    if (this.#instance === undefined) {
      const fault = nodeFault(node);
      if (fault !== undefined) return fault;
      this.#instance = ledger.openStream(node?.id ?? '', clock.nowMs());
    }
    if (this.#instance === undefined) {
      return { reason: 'instance_limit', code: status.RESOURCE_EXHAUSTED, details: 'mixer holds no more instances' };
    }
    for (const family of families) this.#applyFamily(this.#instance, family);
    return undefined;
  }

  onEnd(): void {
    const { ledger, clock } = this.#parts;
    if (this.#instance !== undefined) ledger.closeStream(this.#instance, clock.nowMs());
  }

  #applyFamily(instance: Instance, family: MetricFamily): void {
    const { ledger, metrics, clock } = this.#parts;
    const rejection = familyRejection(family);
    if (rejection !== undefined) return metrics.reject(rejection, family.metrics.length);
    const nowMs = clock.nowMs();
    let counted = 0;
    for (const metric of family.metrics) {
      const sample = readSample(family, metric, nowMs);
      const reason = typeof sample === 'string' ? sample : ledger.apply(instance, sample, nowMs);
      if (reason === undefined) counted += 1;
      else metrics.reject(reason);
    }
    metrics.samples.inc(counted);
  }
}
