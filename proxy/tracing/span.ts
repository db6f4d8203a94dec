/** What is recorded of one sampled request, in OpenTelemetry's words. */

export interface SpanAttribute {
  readonly key: string;
  readonly value: string;
}

/** Of OpenTelemetry's five kinds those that a proxy makes. */
export type SpanKind = 'SERVER' | 'CLIENT';

export class Span {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentId: string;
  readonly kind: SpanKind;
  /** Unix milliseconds, with fractions. */
  readonly startMs: number;
  name = '';
  endMs = 0;
  traceState = '';
  attributes: readonly SpanAttribute[] = [];
  /** OpenTelemetry's status; otherwise it stays unset. */
  isError = false;

  constructor(
    { traceId, parentId }: { readonly traceId: string; readonly parentId: string },
    spanId: string,
    kind: SpanKind,
    startMs: number,
  ) {
    this.traceId = traceId;
    this.parentId = parentId;
    this.spanId = spanId;
    this.kind = kind;
    this.startMs = startMs;
  }
}
