/** Access log: Envoy's default line per finished request (Envoy docs `access_log/usage`), to stdout or a file. */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { AccessLog } from './api/listener.ts';
import type { Clock } from './common/clock.ts';
import type { Logger } from './common/log.ts';
import type { Stat, StatsStore } from './common/stats.ts';
import type { StreamObserver } from './http/connection-manager.ts';
import { HeaderName } from './http/header-name.ts';
import type { HeaderMap } from './http/header-map.ts';
import type { HttpStream } from './http/stream.ts';

/** Lines are gathered this long or up to this size before they are written. */
const flushIntervalMs = 100;
const flushChars = 65_536;
/** Lines that wait for a slow disk or pipe beyond this are dropped and counted: a log must not become a leak. */
const maxPendingBytes = 4_194_304;
/** A disk or pipe that hangs must not keep the process from ending. */
const closeTimeoutMs = 1_000;

export interface AccessLogDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: StatsStore;
}

export class AccessLogWriter implements StreamObserver {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #sink: Writable;
  /** The process's stdout is nobody's to close. */
  readonly #isSinkOwned: boolean;
  readonly #dropped: Stat;
  #isBroken = false;
  #pending = '';
  #cancelFlush: (() => void) | undefined = undefined;

  constructor({ sink }: AccessLog, { clock, logger, stats }: AccessLogDependencies) {
    this.#clock = clock;
    this.#logger = logger;
    this.#dropped = stats.counter('access_logs.file.logs_dropped');
    this.#isSinkOwned = sink.kind === 'file';
    this.#sink = sink.kind === 'file' ? createWriteStream(sink.path, { flags: 'a' }) : process.stdout;
    this.#sink.on('error', this.#onError);
  }

  /** A full disk or a pipe that nobody reads any more must not end the process. */
  readonly #onError = (cause: Error): void => {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#logger.error('the access log cannot be written', { reason: cause.message });
  };

  onStreamComplete(stream: HttpStream, durationMs: number): void {
    this.#pending += formatDefaultLine(stream, durationMs, this.#clock.nowMs());
    if (this.#pending.length >= flushChars) this.flush();
    else this.#cancelFlush ??= this.#clock.setTimer(() => this.flush(), flushIntervalMs);
  }

  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const text = this.#pending;
    this.#pending = '';
    if (text === '') return;
    const isSlow = this.#sink.writableLength > maxPendingBytes;
    if (isSlow && this.#dropped.value === 0) {
      this.#logger.warn('the access log is slower than the traffic: lines are dropped');
    }
    if (isSlow || this.#isBroken) this.#dropped.value += text.split('\n').length - 1;
    else this.#sink.write(text);
  }

  /** Writes what is left; resolves when it is with the operating system, or cannot be soon. */
  close(): Promise<void> {
    this.flush();
    if (!this.#isSinkOwned) {
      this.#sink.off('error', this.#onError);
      return Promise.resolve();
    }
    if (this.#sink.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#clock.setTimer(resolve, closeTimeoutMs);
      this.#sink.end(() => {
        cancel();
        resolve();
      });
    });
  }
}

const originalPath = new HeaderName('x-envoy-original-path');
const upstreamServiceTime = new HeaderName('x-envoy-upstream-service-time');
const forwardedFor = new HeaderName('x-forwarded-for');
const userAgent = new HeaderName('user-agent');
const requestId = new HeaderName('x-request-id');

/**
 * `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS%
 * %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%"
 * "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"`
 */
function formatDefaultLine(stream: HttpStream, durationMs: number, nowMs: number): string {
  const { request, response, codec, host } = stream;
  const started = new Date(nowMs - durationMs).toISOString();
  const path = request.headers.get(originalPath) ?? request.path;
  const start = `"${token(request.method)} ${token(path)} ${codec?.protocol ?? '-'}"`;
  const numbers = `${stream.requestBytes} ${stream.responseBytes} ${Math.round(durationMs)}`;
  const serviceTime = token(response.headers.get(upstreamServiceTime) ?? '');
  const agents = `${header(request.headers, forwardedFor)} ${header(request.headers, userAgent)}`;
  const names = `${header(request.headers, requestId)} "${quote(request.authority)}" "${host?.address ?? '-'}"`;
  return `[${started}] ${start} ${response.status} ${stream.responseFlags} ${numbers} ${serviceTime} ${agents} ${names}\n`;
}

/** A value that ends at the next space: one word, whatever a client or a header rule made of it. */
function token(value: string): string {
  return quote(value).replaceAll(' ', '\\x20');
}

function header(headers: HeaderMap, name: HeaderName): string {
  return `"${quote(headers.get(name) ?? '')}"`;
}

/** What a client sends must not end a field or a line (CVE-2024-45808). An absent value is `-`. */
function quote(value: string): string {
  if (value === '') return '-';
  return value.replace(/["\\\u0000-\u001f\u007f-\u009f]/g, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
