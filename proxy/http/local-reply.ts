/** Responses that the proxy gives itself: a status, one sentence, and why. */
import { STATUS_CODES } from 'node:http';
import { type MeshError, meshErrors } from '../common/errors.ts';
import { HeaderName } from './header-name.ts';
import type { ResponseHead } from './message-head.ts';

/**
 * Fills `head` and returns the body. `x-heddle-reason` carries the response flag and the sentence that also stands in
 * the access log, so that a 503 is never without a reason.
 */
export function prepareLocalReply(
  head: ResponseHead,
  status: number,
  body: string | Uint8Array,
  error: MeshError | undefined,
): Buffer {
  // RFC 9110 §8.6, §15.3.5: these have neither content nor a length, and a client reads none.
  const isBodiless = status === 204 || status === 304;
  const bytes = isBodiless ? noBytes : Buffer.from(body);
  head.reset();
  head.status = status;
  head.reason = phraseOf(status);
  head.contentLength = bytes.length;
  if (!isBodiless) head.headers.add(names.contentLength, String(bytes.length));
  if (bytes.length > 0) head.headers.add(names.contentType, 'text/plain');
  if (error !== undefined) head.headers.add(names.reason, `${meshErrors[error.code].flag} ${error.reason}`);
  if (error?.code === 'overflow') head.headers.add(names.overloaded, 'true');
  head.headers.add(names.date, httpDate());
  head.headers.add(names.server, 'heddle');
  return bytes;
}

/** Of RFC 9110. */
export function phraseOf(status: number): string {
  return STATUS_CODES[status] ?? 'Unknown';
}

/** What strangers are not told: the sentence is about the inside of the mesh. */
export function removeReason(head: ResponseHead): void {
  head.headers.remove(names.reason);
}

const noBytes = Buffer.alloc(0);

const names = {
  contentLength: new HeaderName('content-length'),
  contentType: new HeaderName('content-type'),
  /** Envoy's word to clients for a request that a circuit breaker kept back. */
  overloaded: new HeaderName('x-envoy-overloaded'),
  reason: new HeaderName('x-heddle-reason'),
  date: new HeaderName('date'),
  server: new HeaderName('server'),
};

let dateText = '';
let dateSecond = 0;

function httpDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}
