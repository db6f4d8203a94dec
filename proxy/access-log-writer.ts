/** Writes the lines of access logs (Envoy docs `access_log/usage`) to stdout, to stderr or to a file. */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { AccessLogSink } from './api/listener.ts';
import type { Clock } from './common/clock.ts';
import type { Logger } from './common/log.ts';
import type { Stat, StatsStore } from './common/stats.ts';
import type { ColumnLine } from './formatter/column-line.ts';
import type { StreamInfo } from './http/stream-info.ts';

/** Lines are gathered this long, or up to so many bytes, before they are written together. */
const flushIntervalMs = 100;
const slabBytes = 65_536;
/** Slabs are used again: fresh memory costs four times the writing. */
const maxSpareSlabs = 2;
/** Lines that wait for a slow disk or pipe beyond this are dropped and counted: a log must not become a leak. */
const maxPendingBytes = 4_194_304;
/** A disk or pipe that hangs must not keep the process from ending. */
const closeTimeoutMs = 1_000;

export interface AccessLogDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: StatsStore;
}

export class AccessLogWriter {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Undefined: the process's stdout or stderr, which are nobody's to close. */
  readonly #path: string | undefined;
  #sink: Writable;
  /** Resolves when files that were reopened are written and closed. */
  #retired: Promise<unknown> = Promise.resolve();
  readonly #dropped: Stat;
  #isBroken = false;
  #slab: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  #gatheredBytes = 0;
  #gatheredLines = 0;
  readonly #spareSlabs: Buffer[] = [];
  #cancelFlush: (() => void) | undefined = undefined;

  constructor(sink: AccessLogSink, { clock, logger, stats }: AccessLogDependencies) {
    this.#clock = clock;
    this.#logger = logger;
    this.#dropped = stats.counter('access_logs.file.logs_dropped');
    this.#path = sink.kind === 'file' ? sink.path : undefined;
    this.#sink = sink.kind === 'file' ? createWriteStream(sink.path, { flags: 'a' }) : process[sink.kind];
    this.#sink.on('error', this.#onError);
  }

  /** Goes on in the file that has the path now, after whoever rotates logs has moved the old one away. */
  reopen(): void {
    if (this.#path === undefined) return;
    this.flush();
    const old = this.#sink;
    old.off('error', this.#onError);
    old.on('error', () => {});
    this.#retired = Promise.all([this.#retired, this.#end(old)]);
    this.#sink = createWriteStream(this.#path, { flags: 'a' });
    this.#sink.on('error', this.#onError);
    // What could not be written may be now.
    this.#isBroken = false;
  }

  /** A full disk or a pipe that nobody reads any more must not end the process. */
  readonly #onError = (cause: Error): void => {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#logger.error('the access log cannot be written', { reason: cause.message });
  };

  /** The stream's line, which ends itself. */
  add(line: ColumnLine, stream: StreamInfo): void {
    const length = line.update(stream);
    if (this.#gatheredBytes + length > slabBytes) this.flush();
    this.#gatheredLines += 1;
    if (length > slabBytes) {
      const bytes = Buffer.allocUnsafe(length);
      line.copyTo(bytes, 0);
      this.#send(bytes);
      return;
    }
    line.copyTo(this.#slab, this.#gatheredBytes);
    this.#gatheredBytes += length;
    this.#cancelFlush ??= this.#clock.setTimer(() => this.flush(), flushIntervalMs);
  }

  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    if (this.#gatheredBytes === 0) return;
    const slab = this.#slab;
    const lines = slab.subarray(0, this.#gatheredBytes);
    this.#gatheredBytes = 0;
    const isTaken = this.#send(lines, () => {
      if (this.#spareSlabs.length < maxSpareSlabs) this.#spareSlabs.push(slab);
    });
    if (isTaken) this.#slab = this.#spareSlabs.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
  }

  /** False: the lines gathered so far were dropped. */
  #send(lines: Buffer, onWritten?: () => void): boolean {
    const count = this.#gatheredLines;
    this.#gatheredLines = 0;
    const isSlow = this.#sink.writableLength > maxPendingBytes;
    if (isSlow && this.#dropped.value === 0) {
      this.#logger.warn('the access log is slower than the traffic: lines are dropped');
    }
    if (isSlow || this.#isBroken) {
      this.#dropped.value += count;
      return false;
    }
    this.#sink.write(lines, onWritten);
    return true;
  }

  /** Writes what is left; resolves when it is with the operating system, or cannot be soon. */
  async close(): Promise<void> {
    this.flush();
    if (this.#path === undefined) this.#sink.off('error', this.#onError);
    else await Promise.all([this.#retired, this.#end(this.#sink)]);
  }

  #end(sink: Writable): Promise<void> {
    if (sink.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#clock.setTimer(resolve, closeTimeoutMs);
      sink.end(() => {
        cancel();
        resolve();
      });
    });
  }
}
