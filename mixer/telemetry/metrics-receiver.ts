/** The server side of `StreamMetrics`: one report stream per instance, each message checked and put into the ledger. */
import { Metadata, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Node } from '../../proxy/api/envoy.gen.ts';
import {
  type FamilyHead,
  MetricsDecoder,
  type MetricsVisitor,
  type StreamMetric,
} from '../../proxy/api/metrics-decoder.ts';
import { referencesMetadata } from '../../proxy/api/metrics-service.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { Instance, Reported } from './instance.ts';
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
    const metadata = new Metadata();
    metadata.set(referencesMetadata.key, referencesMetadata.value);
    this.#streams = new ReportStreams({ ...parts, metadata }, () => new MetricsStreamReader(parts));
  }

  /** For grpc-js' `addService`. */
  get implementation(): UntypedServiceImplementation {
    return { streamMetrics: this.#streams.handle };
  }

  endStreams(): void {
    this.#streams.endAll();
  }
}

class MetricsStreamReader implements StreamReader, MetricsVisitor<Reported> {
  readonly #parts: ReceiverParts;
  readonly #decoder = new MetricsDecoder<Reported>();
  #instance: Instance | undefined;
  #fault: StreamFault | undefined;
  /** When the message at hand came, and what it brought. */
  #nowMs = 0;
  #countedSamples = 0;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  receive(bytes: Uint8Array): StreamFault | undefined {
    const { metrics, clock } = this.#parts;
    this.#nowMs = clock.nowMs();
    this.#countedSamples = 0;
    const { errors } = this.#decoder.decode(bytes, this);
    metrics.samples.inc(this.#countedSamples);
    if (errors !== undefined) return encodingFault(errors);
    return this.#fault ?? (this.#instance === undefined ? nodeFault(undefined) : undefined);
  }

  onEnd(): void {
    const { ledger, clock } = this.#parts;
    if (this.#instance !== undefined) ledger.closeStream(this.#instance, clock.nowMs());
  }

  onNode(node: Node): void {
    if (this.#instance !== undefined) return;
    this.#fault = nodeFault(node);
    if (this.#fault !== undefined) return;
    this.#instance = this.#parts.ledger.openStream(node.id ?? '', this.#nowMs);
    if (this.#instance !== undefined) return;
    const details = 'mixer holds no more instances';
    this.#fault = { reason: 'instance_limit', code: status.RESOURCE_EXHAUSTED, details };
  }

  onFamily(family: FamilyHead, metricCount: number): boolean {
    // Who does not say first who they are is not listened to.
    if (this.#instance === undefined) return false;
    const rejection = familyRejection(family);
    if (rejection !== undefined) this.#parts.metrics.reject(rejection, metricCount);
    return rejection === undefined;
  }

  onMetric(metric: StreamMetric<Reported>): void {
    if (this.#instance === undefined) return;
    const sample = readSample(metric, this.#nowMs);
    const reason = typeof sample === 'string' ? sample : this.#parts.ledger.apply(this.#instance, sample, this.#nowMs);
    if (reason === undefined) this.#countedSamples += 1;
    else this.#parts.metrics.reject(reason);
  }

  onUnknownReference(): void {
    this.#parts.metrics.reject('reference');
  }
}
