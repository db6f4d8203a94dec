/**
 * The server side of `StreamAccessLogs`: the requests of proxies that do not count by themselves (a real Envoy), and the
 * traces of those that do.
 */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { reportsMetricsKey } from '../../proxy/api/access-log-service.ts';
import type { Node as NodeJson } from '../../proxy/api/envoy.gen.ts';
import { decodeAccessLogs, type LogEntry, type LogMessageVisitor } from '../../proxy/api/log-entry-decoder.ts';
import { decodeNode } from '../../proxy/api/node.ts';
import type { LogCounts, LogSource } from './log-counts.ts';
import type { ReceiverParts } from './metrics-receiver.ts';
import { encodingFault, nodeFault, ReportStreams, type StreamFault, type StreamReader } from './report-streams.ts';

export interface AccessLogReceiverParts extends ReceiverParts {
  readonly counts: LogCounts;
}

export class AccessLogReceiver {
  readonly #streams: ReportStreams;

  constructor(parts: AccessLogReceiverParts) {
    this.#streams = new ReportStreams(parts, () => new LogStreamReader(parts));
  }

  /** For grpc-js' `addService`. */
  get implementation(): UntypedServiceImplementation {
    return { streamAccessLogs: this.#streams.handle };
  }

  endStreams(): void {
    this.#streams.endAll();
  }
}

class LogStreamReader implements StreamReader, LogMessageVisitor {
  readonly #parts: AccessLogReceiverParts;
  #node: NodeJson | undefined = undefined;
  #fault: StreamFault | undefined = undefined;
  #source: LogSource | undefined = undefined;
  #hasOwnMetrics = false;
  #nowMs = 0;

  constructor(parts: AccessLogReceiverParts) {
    this.#parts = parts;
  }

  receive(bytes: Uint8Array): StreamFault | undefined {
    const { ledger, clock } = this.#parts;
    this.#nowMs = clock.nowMs();
    this.#hasOwnMetrics = isMetered(this.#node) || ledger.countsTrafficOf(this.#node?.id ?? '');
    const { errors } = decodeAccessLogs(bytes, this);
    if (errors !== undefined) return encodingFault(errors);
    return this.#fault ?? nodeFault(this.#node);
  }

  /** Only the first one counts. */
  onNode(node: NodeJson): void {
    if (this.#node !== undefined) return;
    this.#fault = nodeFault(node);
    this.#node = node;
    const { value, errors } = decodeNode(node);
    if (errors !== undefined) this.#fault ??= { ...encodingFault(errors), reason: 'identifier' };
    else if (this.#fault === undefined) this.#source = this.#parts.counts.source(value.metadata);
    this.#hasOwnMetrics = isMetered(node) || this.#parts.ledger.countsTrafficOf(node.id ?? '');
  }

  onEntry(entry: LogEntry): void {
    const source = this.#source;
    if (source === undefined) return;
    const { counts, metrics } = this.#parts;
    const rejection = counts.rejectionOf(entry, this.#nowMs);
    if (rejection !== undefined) return metrics.reject(rejection);
    if (this.#hasOwnMetrics) {
      counts.trace(source, entry);
      metrics.uncountedEntries.inc();
    } else if (counts.count(source, entry, this.#nowMs)) metrics.countedEntries.inc();
    else metrics.reject('series_limit');
  }

  onEnd(): void {}
}

/** It says itself that its counts come by another way. */
function isMetered(node: NodeJson | undefined): boolean {
  return node?.metadata?.[reportsMetricsKey] === true;
}
