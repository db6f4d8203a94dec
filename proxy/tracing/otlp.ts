/**
 * OTLP/HTTP with JSON encoding (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP"). JSON and not protobuf: receivers take
 * both, the platform writes JSON faster than JavaScript writes protobuf, and a person can read it on the wire.
 */
import type { Span, SpanAttribute, SpanKind } from './span.ts';

export const otlpContentType = 'application/json';

const kindNumbers: Readonly<Record<SpanKind, number>> = { SERVER: 2, CLIENT: 3 };
const errorStatus = { code: 2 };

/** The body of an export: `spans` of one service. */
export function encodeSpans(serviceName: string, spans: readonly Span[]): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: encodeAttributes([{ key: 'service.name', value: serviceName }]) },
        scopeSpans: [{ scope: { name: 'heddle' }, spans: spans.map(encodeSpan) }],
      },
    ],
  });
}

/** Ids are hexadecimal there, unlike in JSON of protobuf elsewhere; 64-bit numbers are strings. */
function encodeSpan(span: Span): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentId === '' ? {} : { parentSpanId: span.parentId }),
    ...(span.traceState === '' ? {} : { traceState: span.traceState }),
    name: span.name,
    kind: kindNumbers[span.kind],
    startTimeUnixNano: unixNano(span.startMs),
    endTimeUnixNano: unixNano(span.endMs),
    attributes: encodeAttributes(span.attributes),
    ...(span.isError ? { status: errorStatus } : {}),
  };
}

function encodeAttributes(attributes: readonly SpanAttribute[]): object[] {
  return attributes.map(({ key, value }) => ({ key, value: { stringValue: value } }));
}

/** A double holds milliseconds of this century to a quarter of a microsecond, but no nanoseconds. */
function unixNano(ms: number): string {
  const whole = Math.floor(ms);
  return `${whole}${String(Math.floor((ms - whole) * 1e6)).padStart(6, '0')}`;
}
