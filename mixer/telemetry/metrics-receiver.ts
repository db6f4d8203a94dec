/** The server side of `StreamMetrics`: one report stream per instance, each message checked and put into the ledger. */
import {
  type sendUnaryData,
  type ServerReadableStream,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { MetricsDecoder } from '../../proxy/api/metrics-decoder.ts';
import type { MetricFamily, StreamMetricsMessage } from '../../proxy/api/metrics-service.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { Instance } from './instance.ts';
import type { Ledger } from './ledger.ts';
import type { MixerMetrics } from './mixer-metrics.ts';
import type { RejectionReason } from './rejection.ts';
import { familyRejection, readSample } from './sample.ts';

export interface ReceiverParts {
  readonly ledger: Ledger;
  readonly metrics: MixerMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class MetricsReceiver {
  readonly #parts: ReceiverParts;
  readonly #streams = new Set<ReportStream>();

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  /** For grpc-js' `addService`. */
  get implementation(): UntypedServiceImplementation {
    return {
      streamMetrics: (call: ServerReadableStream<Uint8Array, Uint8Array>, answer: sendUnaryData<Uint8Array>) => {
        const stream: ReportStream = new ReportStream(this.#parts, (error) => {
          this.#streams.delete(stream);
          answer(error, empty);
        });
        this.#streams.add(stream);
        call.on('data', (bytes: Uint8Array) => stream.receive(bytes));
        call.on('end', () => stream.end());
        call.on('cancelled', () => stream.end());
        call.on('error', () => stream.end());
      },
    };
  }

  /** Answers every open stream: instances then look for another mixer, or for this one again. */
  endStreams(): void {
    for (const stream of this.#streams) stream.end();
  }
}

const empty = new Uint8Array(0);
const maxNodeIdLength = 512;

interface StreamFault {
  readonly code: status;
  readonly details: string;
}

class ReportStream {
  readonly #parts: ReceiverParts;
  readonly #onEnd: (fault: StreamFault | null) => void;
  readonly #decoder = new MetricsDecoder();
  #instance: Instance | undefined;
  #isEnded = false;

  constructor(parts: ReceiverParts, onEnd: (fault: StreamFault | null) => void) {
    this.#parts = parts;
    this.#onEnd = onEnd;
    parts.metrics.streams.inc();
  }

  receive(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    const { metrics } = this.#parts;
    metrics.batches.inc();
    const decoded = this.#decoder.decode(bytes);
    if (decoded.errors !== undefined) {
      return this.#refuse('encoding', status.INVALID_ARGUMENT, decoded.errors[0]?.message ?? '');
    }
    const instance = this.#instance ?? this.#identify(decoded.value);
    if (instance === undefined) return;
    for (const family of decoded.value.families) this.#applyFamily(instance, family);
  }

  end(fault: StreamFault | null = null): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const { metrics, ledger, clock } = this.#parts;
    metrics.streams.dec();
    if (this.#instance !== undefined) ledger.closeStream(this.#instance, clock.nowMs());
    this.#onEnd(fault);
  }

  #identify({ node }: StreamMetricsMessage): Instance | undefined {
    const nodeId = node?.id ?? '';
    if (nodeId === '' || nodeId.length > maxNodeIdLength) {
      const details = `identifier.node.id of the first message must have 1 to ${maxNodeIdLength} characters, got ${nodeId.length}`;
      this.#refuse('identifier', status.INVALID_ARGUMENT, details);
      return undefined;
    }
    const { ledger, clock } = this.#parts;
    this.#instance = ledger.openStream(nodeId, clock.nowMs());
    if (this.#instance === undefined) {
      this.#refuse('instance_limit', status.RESOURCE_EXHAUSTED, 'mixer holds no more instances');
    }
    return this.#instance;
  }

  #applyFamily(instance: Instance, family: MetricFamily): void {
    const { ledger, metrics, clock } = this.#parts;
    const rejection = familyRejection(family);
    if (rejection !== undefined) return metrics.reject(rejection, family.metrics.length);
    const nowMs = clock.nowMs();
    for (const metric of family.metrics) {
      const sample = readSample(family, metric, nowMs);
      const reason = typeof sample === 'string' ? sample : ledger.apply(instance, sample, nowMs);
      if (reason === undefined) metrics.samples.inc();
      else metrics.reject(reason);
    }
  }

  #refuse(reason: RejectionReason, code: status, details: string): void {
    this.#parts.metrics.reject(reason);
    this.#parts.logger.warn('stream refused', { reason, details });
    this.end({ code, details });
  }
}
