/** One HTTP/1.1 health check: a request, and what the status of its response means. */
import type { Endpoint } from '../../api/cluster.ts';
import type { HttpProbe, StatusRange } from '../../api/health-check.ts';
import { HeaderName, Known } from '../../http/header-name.ts';
import { ResponseHead } from '../../http/message-head.ts';
import { BodyReader } from '../../http1/body-reader.ts';
import { connectionHas, frameResponse } from '../../http1/framing.ts';
import { HeadBuffer } from '../../http1/head-buffer.ts';
import { headIncomplete, parseResponseHead } from '../../http1/head-parser.ts';
import type { Exchange } from './exchange.ts';
import type { CheckResult } from './prober.ts';

const limits = { maxBytes: 61_440, maxHeaders: 100 };

export class HttpExchange implements Exchange {
  readonly request: Uint8Array;
  readonly resultOnConnect = undefined;
  isReusable = false;
  readonly #probe: HttpProbe;
  readonly #head = new ResponseHead();
  readonly #partial = new HeadBuffer();
  readonly #body = new BodyReader();
  #hasHead = false;

  constructor(probe: HttpProbe, { healthCheck }: Endpoint) {
    this.#probe = probe;
    this.request = Buffer.from(writeRequest(probe, healthCheck?.hostname || probe.host), 'latin1');
  }

  read(bytes: Buffer, length: number): CheckResult | undefined {
    if (this.#hasHead) return this.#readBody(bytes, 0, length);
    this.#partial.append(bytes, 0, length);
    if (!this.#partial.isWorthParsing() && this.#partial.bytes.length <= limits.maxBytes) return undefined;
    const whole = this.#partial.bytes;
    return this.#readHead(whole, 0);
  }

  #readHead(bytes: Buffer, start: number): CheckResult | undefined {
    const head = this.#head;
    head.reset();
    const consumed = parseResponseHead(bytes, { start, end: bytes.length }, limits, head);
    if (consumed === headIncomplete) return undefined;
    if (consumed < 0 || frameResponse(head, this.#probe.method) !== undefined || head.status === 101) return 'network';
    if (head.status < 200) return this.#readHead(bytes, start + consumed);
    this.#hasHead = true;
    this.#body.begin(head.contentLength);
    return this.#readBody(bytes, start + consumed, bytes.length);
  }

  #readBody(bytes: Buffer, start: number, end: number): CheckResult | undefined {
    let at = start;
    while (!this.#body.isDone && at < end) {
      at = this.#body.read(bytes, at, end);
      if (at < 0) return 'network';
    }
    if (!this.#body.isDone) return undefined;
    // Bytes behind the response answer nothing that was asked.
    this.isReusable = at === end && this.#isKeptAlive;
    return this.#result;
  }

  end(): CheckResult {
    return this.#hasHead && this.#body.endsWithConnection ? this.#result : 'network';
  }

  get #isKeptAlive(): boolean {
    const { minorVersion, headers } = this.#head;
    if (minorVersion === 0) return headers.hasKnown(Known.connection) && connectionHas(headers, 'keep-alive');
    return !headers.hasKnown(Known.connection) || !connectionHas(headers, 'close');
  }

  get #result(): CheckResult {
    const { status } = this.#head;
    if (includes(this.#probe.expectedStatuses, status)) return 'success';
    return includes(this.#probe.retriableStatuses, status) ? 'retriable' : 'failure';
  }
}

function includes(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(({ start, end }) => status >= start && status < end);
}

/** A method that usually has content says that there is none (RFC 9110 §8.6). */
function writeRequest({ method, path, headers }: HttpProbe, host: string): string {
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${host}`];
  if (!headers.some(({ name }) => name === userAgent.text)) lines.push(`${userAgent.text}: Heddle/HC`);
  for (const { name, value } of headers) lines.push(`${name}: ${value}`);
  if (['POST', 'PUT', 'PATCH'].includes(method)) lines.push('content-length: 0');
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const userAgent = new HeaderName('user-agent');
