/**
 * Sends entries to an access-log service (Envoy's `AccessLogService`). A service that is slow or gone costs no request
 * anything: entries wait up to a bound, what comes on top is dropped and counted.
 */
import protobuf from 'protobufjs';
import { accessLogTags, streamAccessLogs } from './api/access-log-service.ts';
import type { Node as NodeJson } from './api/envoy.gen.ts';
import type { AccessLogServiceConfig, GrpcAccessLog } from './api/listener.ts';
import { encode } from './api/protojson.ts';
import type { Backoff } from './common/backoff.ts';
import type { Clock } from './common/clock.ts';
import type { Logger } from './common/log.ts';
import type { Stat, StatsStore } from './common/stats.ts';
import { ReportStream } from './telemetry/report-stream.ts';
import type { ClusterManager } from './upstream/cluster-manager.ts';

export interface GrpcAccessLogSinkDependencies {
  readonly entries: GrpcAccessLog['entries'];
  readonly node: NodeJson;
  readonly clusters: Pick<ClusterManager, 'get'>;
  readonly clock: Clock;
  readonly stats: StatsStore;
  readonly backoff: Backoff;
  readonly logger: Logger;
}

/** Bytes of entries that wait; what a message may have too, below gRPC's default limit of 4 MiB. */
const maxPendingBytes = 1_048_576;

export class GrpcAccessLogSink {
  readonly #config: AccessLogServiceConfig;
  readonly #dependencies: GrpcAccessLogSinkDependencies;
  readonly #written: Stat;
  readonly #dropped: Stat;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #stream: ReportStream | undefined = undefined;
  /** The message that the transport has not taken yet. */
  #writing: Promise<void> | undefined = undefined;
  #cancelFlush: (() => void) | undefined = undefined;
  #cancelConnect: (() => void) | undefined = undefined;
  #isMissed = false;
  /** The stream has taken more than one message: it was not refused at once. */
  #isProven = false;
  #state: 'running' | 'draining' | 'closed' = 'running';

  constructor(config: AccessLogServiceConfig, dependencies: GrpcAccessLogSinkDependencies) {
    this.#config = config;
    this.#dependencies = dependencies;
    // Envoy docs, access_log/stats: gRPC access log statistics.
    this.#written = dependencies.stats.counter('access_logs.grpc_access_log.logs_written');
    this.#dropped = dependencies.stats.counter('access_logs.grpc_access_log.logs_dropped');
  }

  get hasRoom(): boolean {
    return this.#pendingBytes < maxPendingBytes && this.#state !== 'closed';
  }

  drop(): void {
    this.#dropped.value += 1;
  }

  /** Only while there is room. */
  add(entry: Uint8Array): void {
    this.#pending.push(entry);
    this.#pendingBytes += entry.length;
    if (this.#pendingBytes >= this.#config.bufferSizeBytes) this.#flush();
    else this.#cancelFlush ??= this.#dependencies.clock.setTimer(this.#onTimer, this.#config.bufferFlushIntervalMs);
  }

  readonly #onTimer = (): void => {
    this.#cancelFlush = undefined;
    this.#flush();
  };

  /** What waits goes out when the stream takes it: now, when the last message is gone, or when there is a stream again. */
  #flush(): void {
    if (this.#writing !== undefined || this.#pending.length === 0) return;
    const stream = this.#stream ?? this.#connect();
    if (stream === undefined) return;
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const count = this.#pending.length;
    const message = this.#encodePending();
    this.#writing = this.#write(stream, message, count).finally(() => {
      this.#writing = undefined;
      if (this.#pendingBytes >= this.#config.bufferSizeBytes) this.#flush();
    });
  }

  async #write(stream: ReportStream, message: Uint8Array, count: number): Promise<void> {
    const isTaken = await stream.write(message);
    if (isTaken) this.#written.value += count;
    else this.#dropped.value += count;
    if (!isTaken) return;
    const { backoff, logger } = this.#dependencies;
    if (this.#isProven) backoff.reset();
    if (this.#isProven && this.#isMissed) logger.info('the access-log service takes entries again');
    if (this.#isProven) this.#isMissed = false;
    this.#isProven = true;
  }

  #encodePending(): Uint8Array {
    const { message, entries } = accessLogTags;
    const writer = protobuf.Writer.create();
    writer.uint32(this.#dependencies.entries === 'http' ? message.httpLogs : message.tcpLogs).fork();
    for (const entry of this.#pending) writer.uint32(entries.entry).bytes(entry);
    writer.ldelim();
    this.#pending = [];
    this.#pendingBytes = 0;
    return writer.finish();
  }

  /** Undefined when it has to be later. */
  #connect(): ReportStream | undefined {
    if (this.#cancelConnect !== undefined || this.#state === 'closed') return undefined;
    const stream = this.#openStream();
    if (stream === undefined) {
      this.#connectLater();
      return undefined;
    }
    this.#stream = stream;
    this.#isProven = false;
    void stream.ended.then((error) => {
      this.#stream = undefined;
      this.#onMissed(error?.message ?? 'the service ended the stream');
      this.#connectLater();
    });
    void stream.write(this.#encodeIdentifier());
    return stream;
  }

  #openStream(): ReportStream | undefined {
    const { clusterName, authority } = this.#config;
    const cluster = this.#dependencies.clusters.get(clusterName);
    const host = cluster?.pick();
    // Entries must not go in the clear where the cluster asks for TLS.
    if (cluster?.config.tls !== undefined) {
      this.#onMissed(`cluster ${clusterName} has TLS, which access-log streams do not speak`);
      return undefined;
    }
    if (host === undefined) {
      this.#onMissed(`no healthy endpoint in cluster ${clusterName}`);
      return undefined;
    }
    try {
      return new ReportStream(host.address, streamAccessLogs, authority);
    } catch (error) {
      this.#onMissed(String(error));
      return undefined;
    }
  }

  #encodeIdentifier(): Uint8Array {
    const { message, identifier } = accessLogTags;
    const writer = protobuf.Writer.create();
    writer.uint32(message.identifier).fork();
    writer.uint32(identifier.node).bytes(encode('envoy.config.core.v3.Node', this.#dependencies.node));
    writer.uint32(identifier.logName).string(this.#config.logName);
    writer.ldelim();
    return writer.finish();
  }

  /** Said once. */
  #onMissed(reason: string): void {
    if (this.#isMissed || this.#state !== 'running') return;
    this.#isMissed = true;
    this.#dependencies.logger.warn('access-log entries cannot be sent', { cluster: this.#config.clusterName, reason });
  }

  #connectLater(): void {
    if (this.#state === 'closed') return;
    const { clock, backoff } = this.#dependencies;
    this.#cancelConnect ??= clock.setTimer(() => {
      this.#cancelConnect = undefined;
      this.#flush();
    }, backoff.nextDelayMs());
  }

  /** Sends what is left and waits until the service has it, at most `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'draining';
    let cancelDeadline = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      cancelDeadline = this.#dependencies.clock.setTimer(resolve, deadlineMs);
    });
    await Promise.race([this.#finish(), deadline]);
    cancelDeadline();
    await this.close();
  }

  async #finish(): Promise<void> {
    await this.#writing;
    this.#flush();
    await this.#writing;
    const stream = this.#stream;
    stream?.finish();
    await stream?.ended;
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#cancelFlush?.();
    this.#cancelConnect?.();
    this.#dropped.value += this.#pending.length;
    this.#pending = [];
    const stream = this.#stream;
    stream?.cancel();
    await stream?.ended;
    await this.#writing;
  }
}
