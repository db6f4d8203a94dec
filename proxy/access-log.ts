/** Access log: Envoy's default line per finished request (Envoy docs `access_log/usage`), to stdout or a file. */
import { type WriteStream, createWriteStream } from 'node:fs';
import type { AccessLog } from './api/listener.ts';
import type { Clock } from './common/clock.ts';
import { meshErrors } from './common/errors.ts';
import type { Logger } from './common/log.ts';
import type { StreamObserver } from './http/connection-manager.ts';
import { HeaderName } from './http/header-name.ts';
import type { HeaderMap } from './http/header-map.ts';
import type { HttpStream } from './http/stream.ts';

/** Lines are gathered this long or up to this size before they are written. */
const flushIntervalMs = 100;
const flushChars = 65_536;
/** Lines that wait for a slow disk or pipe beyond this are dropped and counted: a log must not become a leak. */
const maxPendingBytes = 4_194_304;

interface LogSink {
  write(text: string): boolean;
  readonly writableLength: number;
}

export class AccessLogWriter implements StreamObserver {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #sink: LogSink;
  readonly #file: WriteStream | undefined;
  #pending = '';
  #cancelFlush: (() => void) | undefined = undefined;
  droppedLines = 0;

  constructor(config: AccessLog, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
    if (config.sink.kind === 'stdout') {
      this.#file = undefined;
      this.#sink = process.stdout;
    } else {
      const { path } = config.sink;
      this.#file = createWriteStream(path, { flags: 'a' });
      this.#file.on('error', (cause) =>
        logger.error('the access log cannot be written', { path, reason: cause.message }),
      );
      this.#sink = this.#file;
    }
  }

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
    if (this.#sink.writableLength > maxPendingBytes) {
      if (this.droppedLines === 0) this.#logger.warn('the access log is slower than the traffic: lines are dropped');
      this.droppedLines += text.split('\n').length - 1;
      return;
    }
    this.#sink.write(text);
  }

  /** Writes what is left; resolves when it is with the operating system. */
  close(): Promise<void> {
    this.flush();
    const file = this.#file;
    if (file === undefined || file.destroyed) return Promise.resolve();
    return new Promise((resolve) => file.end(() => resolve()));
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
  const { request, response, error, codec, host } = stream;
  const started = new Date(nowMs - durationMs).toISOString();
  const path = request.headers.get(originalPath) ?? request.path;
  const start = `"${quote(request.method)} ${quote(path)} ${codec?.protocol ?? '-'}"`;
  const flag = error === undefined ? '-' : meshErrors[error.code].flag;
  const numbers = `${stream.requestBytes} ${stream.responseBytes} ${Math.round(durationMs)}`;
  const serviceTime = response.headers.get(upstreamServiceTime) ?? '-';
  const agents = `${header(request.headers, forwardedFor)} ${header(request.headers, userAgent)}`;
  const names = `${header(request.headers, requestId)} "${quote(request.authority)}" "${host?.address ?? '-'}"`;
  return `[${started}] ${start} ${response.status} ${flag} ${numbers} ${serviceTime} ${agents} ${names}\n`;
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
