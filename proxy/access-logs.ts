/** All access logs of a proxy: one writer for each destination, whoever logs there. */
import { compileAccessLogFilter } from './access-log-filter.ts';
import { AccessLogWriter } from './access-log-writer.ts';
import { reportsMetricsKey } from './api/access-log-service.ts';
import type { AccessLog, AccessLogSink, GrpcAccessLog } from './api/listener.ts';
import { encodeNode, type Node } from './api/node.ts';
import { Backoff } from './common/backoff.ts';
import type { Clock } from './common/clock.ts';
import type { Logger } from './common/log.ts';
import type { StatsStore } from './common/stats.ts';
import { compileLine } from './formatter/log-line.ts';
import { GrpcAccessLogSink } from './grpc-access-log-sink.ts';
import type { StreamInfo } from './http/stream-info.ts';
import { compileLogEntry } from './log-entry-encoder.ts';
import type { ClusterManager } from './upstream/cluster-manager.ts';
import type { Random } from './upstream/picker.ts';

export interface AccessLogsDependencies {
  readonly node: Node;
  /** It reports its counts over the metrics service: who gets its entries must not count them again. */
  readonly reportsMetrics: boolean;
  readonly clusters: Pick<ClusterManager, 'get'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly logger: Logger;
}

/** Hears of every finished stream, or connection that carried none. */
export interface AccessLogObserver {
  onComplete(stream: StreamInfo, durationMs: number): void;
}

export class AccessLogs {
  readonly #dependencies: AccessLogsDependencies;
  readonly #writers = new Map<string, AccessLogWriter>();
  readonly #sinks = new Map<string, GrpcAccessLogSink>();

  constructor(dependencies: AccessLogsDependencies) {
    this.#dependencies = dependencies;
  }

  /** Logs each finished stream that its filter lets through. */
  create(log: AccessLog): AccessLogObserver {
    const observer = log.kind === 'lines' ? this.#createLines(log) : this.#createEntries(log);
    if (log.filter === undefined) return observer;
    const isLogged = compileAccessLogFilter(log.filter, this.#dependencies.random);
    return {
      onComplete: (stream, durationMs) => {
        if (isLogged(stream, durationMs)) observer.onComplete(stream, durationMs);
      },
    };
  }

  #createLines({ sink, format }: AccessLog & { kind: 'lines' }): AccessLogObserver {
    const writer = this.#writer(sink);
    const line = compileLine(format);
    return { onComplete: (stream) => writer.add(line, stream) };
  }

  #createEntries(log: GrpcAccessLog): AccessLogObserver {
    const sink = this.#sink(log);
    const encodeEntry = compileLogEntry(log);
    return {
      onComplete: (stream, durationMs) => {
        if (sink.hasRoom) sink.add(encodeEntry(stream, durationMs));
        else sink.drop();
      },
    };
  }

  #writer(sink: AccessLogSink): AccessLogWriter {
    const key = sink.kind === 'file' ? sink.path : `/dev/${sink.kind}`;
    const writer = this.#writers.get(key) ?? new AccessLogWriter(sink, this.#dependencies);
    this.#writers.set(key, writer);
    return writer;
  }

  #sink({ service, entries }: GrpcAccessLog): GrpcAccessLogSink {
    const key = JSON.stringify([service, entries]);
    const known = this.#sinks.get(key);
    if (known !== undefined) return known;
    const { node, reportsMetrics, clusters, clock, random, stats, logger } = this.#dependencies;
    const json = encodeNode(node);
    const sink = new GrpcAccessLogSink(service, {
      entries,
      node: reportsMetrics ? { ...json, metadata: { ...json.metadata, [reportsMetricsKey]: true } } : json,
      clusters,
      clock,
      stats,
      backoff: new Backoff(250, 5_000, random),
      logger: logger.child('access-log'),
    });
    this.#sinks.set(key, sink);
    return sink;
  }

  /** For the rotation of logs: files are opened anew under their paths. */
  reopen(): void {
    for (const writer of this.#writers.values()) writer.reopen();
  }

  /** Sends what is left to access-log services and waits for it, at most `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    await Promise.all([...this.#sinks.values()].map((sink) => sink.drain(deadlineMs)));
  }

  async close(): Promise<void> {
    for (const sink of this.#sinks.values()) await sink.close();
    for (const writer of this.#writers.values()) await writer.close();
  }
}
