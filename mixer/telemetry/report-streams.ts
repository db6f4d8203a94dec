/** The streams of one service on which instances report: each message is given to a reader, faults end a stream alone. */
import { type Metadata, type sendUnaryData, type ServerReadableStream, status } from '@grpc/grpc-js';
import type { Node as NodeJson } from '../../proxy/api/envoy.gen.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { MixerMetrics } from './mixer-metrics.ts';
import type { RejectionReason } from './rejection.ts';

/** Why a stream is ended by mixer. */
export interface StreamFault {
  readonly reason: RejectionReason;
  readonly code: status;
  readonly details: string;
}

/** What is done with the messages of one stream. */
export interface StreamReader {
  /** A fault ends the stream. */
  receive(bytes: Uint8Array): StreamFault | undefined;
  onEnd(): void;
}

export interface ReportStreamsParts {
  readonly metrics: MixerMetrics;
  readonly logger: Logger;
  /** What each stream is told at its beginning; default: nothing, until its end. */
  readonly metadata?: Metadata;
}

const empty = new Uint8Array(0);

export class ReportStreams {
  readonly #parts: ReportStreamsParts;
  readonly #createReader: () => StreamReader;
  readonly #enders = new Set<() => void>();

  constructor(parts: ReportStreamsParts, createReader: () => StreamReader) {
    this.#parts = parts;
    this.#createReader = createReader;
  }

  /** Handles a call of a method with a stream of requests and one empty answer. */
  readonly handle = (call: ServerReadableStream<Uint8Array, Uint8Array>, answer: sendUnaryData<Uint8Array>): void => {
    const { metrics, logger, metadata } = this.#parts;
    if (metadata !== undefined) call.sendMetadata(metadata);
    const reader = this.#createReader();
    let isEnded = false;
    const end = (fault?: StreamFault): void => {
      if (isEnded) return;
      isEnded = true;
      this.#enders.delete(end);
      metrics.streams.dec();
      reader.onEnd();
      answer(fault ?? null, empty);
    };
    metrics.streams.inc();
    this.#enders.add(end);
    call.on('data', (bytes: Uint8Array) => {
      if (isEnded) return;
      metrics.batches.inc();
      const fault = reader.receive(bytes);
      if (fault === undefined) return;
      metrics.reject(fault.reason);
      logger.warn('stream refused', { reason: fault.reason, details: fault.details });
      end(fault);
    });
    for (const event of ['end', 'cancelled', 'error']) call.on(event, () => end());
  };

  /** Answers every open stream: instances then look for another mixer, or for this one again. */
  endAll(): void {
    for (const end of this.#enders) end();
  }
}

const maxNodeIdLength = 512;

export function encodingFault(errors: readonly { readonly message: string }[]): StreamFault {
  return { reason: 'encoding', code: status.INVALID_ARGUMENT, details: errors[0]?.message ?? '' };
}

/** What is wrong with who sends the first message of a stream. */
export function nodeFault(node: NodeJson | undefined): StreamFault | undefined {
  const { length } = node?.id ?? '';
  if (length > 0 && length <= maxNodeIdLength) return undefined;
  const details = `identifier.node.id of the first message must have 1 to ${maxNodeIdLength} characters, got ${length}`;
  return { reason: 'identifier', code: status.INVALID_ARGUMENT, details };
}
