/** Writes the lines of access logs (Envoy docs `access_log/usage`) to stdout, to stderr or to a file. */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { AccessLogSink } from './api/listener.ts';
import type { Clock } from './common/clock.ts';
import type { Logger } from './common/log.ts';
import type { Stat, StatsStore } from './common/stats.ts';
import type { LineFormat } from './formatter/log-line.ts';
import type { StreamInfo } from './http/stream-info.ts';

/** Lines are gathered this long, or up to so many, before they are written together. */
const flushIntervalMs = 100;
const maxGatheredLines = 256;
/** Of the heads that gathered lines keep alive. */
const maxGatheredChars = 1_048_576;
/** Lines that wait for a slow disk or pipe beyond this are dropped and counted: a log must not become a leak. */
const maxPendingBytes = 4_194_304;
/** A disk or pipe that hangs must not keep the process from ending. */
const closeTimeoutMs = 1_000;

/** Room for the lines of a flush, unless they are unusually long. Used again: fresh memory costs four times the writing. */
const slabBytes = 262_144;
const maxSpareSlabs = 2;
/** UTF-8 of one character of a JavaScript string. */
const maxBytesPerChar = 3;

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
  readonly #lines: string[] = [];
  #gatheredChars = 0;
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
  add(format: LineFormat, stream: StreamInfo): void {
    this.#lines.push(format(stream));
    this.#gatheredChars += stream.request.headers.text.length + stream.response.headers.text.length;
    if (this.#lines.length >= maxGatheredLines || this.#gatheredChars >= maxGatheredChars) this.flush();
    else this.#cancelFlush ??= this.#clock.setTimer(() => this.flush(), flushIntervalMs);
  }

  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const { length } = this.#lines;
    if (length === 0) return;
    const isSlow = this.#sink.writableLength > maxPendingBytes;
    if (isSlow && this.#dropped.value === 0) {
      this.#logger.warn('the access log is slower than the traffic: lines are dropped');
    }
    if (isSlow || this.#isBroken) this.#dropped.value += length;
    // Joined: appending each line to one text costs twice as much.
    else this.#write(this.#lines.join(''));
    this.#lines.length = 0;
    this.#gatheredChars = 0;
  }

  #write(text: string): void {
    if (text.length * maxBytesPerChar > slabBytes) {
      this.#sink.write(text);
      return;
    }
    const slab = this.#spareSlabs.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
    const length = slab.write(text, 'utf8');
    this.#sink.write(slab.subarray(0, length), () => {
      if (this.#spareSlabs.length < maxSpareSlabs) this.#spareSlabs.push(slab);
    });
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
