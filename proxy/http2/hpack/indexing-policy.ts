/**
 * Names whose values are new on almost every message: in the table each would only push out what comes again. Names that
 * nobody listed show the same by never being hit (`NameRecord.isWorthInserting`).
 */
const changing = new Set([
  ':path',
  'age',
  'content-length',
  'content-range',
  'date',
  'etag',
  'expires',
  'grpc-timeout',
  'if-modified-since',
  'if-none-match',
  'last-modified',
  'location',
  'traceparent',
  'tracestate',
  'x-amzn-trace-id',
  'x-cloud-trace-context',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-upstream-service-time',
  'x-request-id',
  'b3',
]);

/** Zipkin's trace headers. */
const changingPrefix = 'x-b3-';

/** Whether values of `name` may be expected to come again on the same connection. */
export function isWorthIndexing(name: string): boolean {
  return !changing.has(name) && !name.startsWith(changingPrefix);
}
