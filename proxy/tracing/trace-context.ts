/**
 * The trace that a request belongs to, as its headers say it: W3C Trace Context level 1 (`traceparent`, `tracestate`) or
 * B3 (`b3`, or `x-b3-traceid` and its siblings; github.com/openzipkin/b3-propagation). W3C wins where both are given. What
 * goes on always says `traceparent`; B3 is said as well, in the form in which it came.
 */
import type { HeaderMap } from '../http/header-map.ts';
import { HeaderName } from '../http/header-name.ts';

const traceParent = new HeaderName('traceparent');
const traceState = new HeaderName('tracestate');
const b3 = new HeaderName('b3');
const b3TraceId = new HeaderName('x-b3-traceid');
const b3SpanId = new HeaderName('x-b3-spanid');
const b3ParentSpanId = new HeaderName('x-b3-parentspanid');
const b3Sampled = new HeaderName('x-b3-sampled');
const b3Flags = new HeaderName('x-b3-flags');

/** Version `ff` and ids of zeros only are not valid; later versions may say more behind the flags. */
const traceParentForm = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/;
const traceParentLength = 55;
const b3Form = /^(?!0+-)([0-9a-f]{32}|[0-9a-f]{16})-(?!0+(?:$|-))[0-9a-f]{16}(?:-[01d](?:-[0-9a-f]{16})?)?$/;
const b3TraceIdForm = /^(?!0+$)(?:[0-9a-f]{32}|[0-9a-f]{16})$/;
const b3SpanIdForm = /^(?!0+$)[0-9a-f]{16}$/;

/** One object serves request after request: `read` overwrites what the last one left. */
export class TraceContext {
  /** 32 digits; empty when the request begins a trace. */
  traceId = '';
  /** Of the caller's span, 16 digits; empty when the request begins a trace. */
  parentId = '';
  /** What the caller has decided; undefined when it leaves that to us. */
  isSampled: boolean | undefined = undefined;
  #isSingleB3 = false;
  #isMultiB3 = false;

  read(headers: HeaderMap): void {
    this.traceId = '';
    this.parentId = '';
    this.isSampled = undefined;
    this.#isSingleB3 = false;
    this.#isMultiB3 = false;
    this.#readB3(headers);
    this.#readTraceParent(headers);
  }

  #readTraceParent(headers: HeaderMap): void {
    if (headers.find(traceParent, 0) >= 0) {
      const value = headers.get(traceParent) ?? '';
      const isLevel1 = value.startsWith('00');
      if (traceParentForm.test(value) && (!isLevel1 || value.length === traceParentLength)) {
        this.traceId = value.slice(3, 35);
        this.parentId = value.slice(36, 52);
        this.isSampled = (parseInt(value.slice(53, 55), 16) & 1) === 1;
        return;
      }
    }
    // Without a valid traceparent it belongs to nothing (W3C Trace Context §3.3).
    headers.remove(traceState);
  }

  #readB3(headers: HeaderMap): void {
    const single = headers.find(b3, 0) < 0 ? undefined : headers.get(b3);
    if (single !== undefined) {
      this.#isSingleB3 = true;
      this.#readSingle(single.toLowerCase());
    }
    const hasMulti =
      headers.find(b3TraceId, 0) >= 0 || headers.find(b3Sampled, 0) >= 0 || headers.find(b3Flags, 0) >= 0;
    if (!hasMulti) return;
    this.#isMultiB3 = true;
    if (single === undefined) this.#readMulti(headers);
  }

  #readSingle(value: string): void {
    if (value.length === 1) {
      this.isSampled = readB3Sampled(value);
    } else if (b3Form.test(value)) {
      const [traceId = '', spanId = '', sampled] = value.split('-');
      this.traceId = traceId.padStart(32, '0');
      this.parentId = spanId;
      this.isSampled = readB3Sampled(sampled);
    }
  }

  #readMulti(headers: HeaderMap): void {
    this.isSampled = headers.get(b3Flags) === '1' ? true : readB3Sampled(headers.get(b3Sampled)?.toLowerCase());
    const traceId = headers.get(b3TraceId)?.toLowerCase() ?? '';
    const spanId = headers.get(b3SpanId)?.toLowerCase() ?? '';
    if (!b3TraceIdForm.test(traceId) || !b3SpanIdForm.test(spanId)) return;
    this.traceId = traceId.padStart(32, '0');
    this.parentId = spanId;
  }

  /** What the next hop is told: the trace goes on from `spanId`. */
  write(headers: HeaderMap, spanId: string, isSampled: boolean): void {
    headers.set(traceParent, `00-${this.traceId}-${spanId}-${isSampled ? '01' : '00'}`);
    if (this.#isSingleB3) headers.set(b3, this.#singleB3(spanId, isSampled));
    if (this.#isMultiB3) this.#writeMulti(headers, spanId, isSampled);
  }

  #singleB3(spanId: string, isSampled: boolean): string {
    const parent = this.parentId === '' ? '' : `-${this.parentId}`;
    return `${this.traceId}-${spanId}-${isSampled ? '1' : '0'}${parent}`;
  }

  #writeMulti(headers: HeaderMap, spanId: string, isSampled: boolean): void {
    headers.set(b3TraceId, this.traceId);
    headers.set(b3SpanId, spanId);
    if (this.parentId === '') headers.remove(b3ParentSpanId);
    else headers.set(b3ParentSpanId, this.parentId);
    // The debug flag says it already, and goes on as it is.
    if (headers.get(b3Flags) !== '1') headers.set(b3Sampled, isSampled ? '1' : '0');
  }
}

/** `true` and `false` are what old tracers write. */
function readB3Sampled(value: string | undefined): boolean | undefined {
  if (value === '1' || value === 'd' || value === 'true') return true;
  return value === '0' || value === 'false' ? false : undefined;
}

/** For a copy of a request (semantics S26): it belongs to the trace, and nobody who gets it records a span. */
export function markNotSampled(headers: HeaderMap): void {
  const value = headers.get(traceParent);
  if (value?.length === traceParentLength) headers.set(traceParent, `${value.slice(0, 53)}00`);
  const single = headers.get(b3);
  if (single !== undefined) headers.set(b3, single.replace(/^([^-]+-[^-]+)-[1d]/, '$1-0'));
  headers.remove(b3Flags);
  if (headers.get(b3Sampled) !== undefined) headers.set(b3Sampled, '0');
}
