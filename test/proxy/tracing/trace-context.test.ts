import { describe, expect, test } from 'vitest';
import type { HeaderMap } from '../../../proxy/http/header-map.ts';
import { markNotSampled, TraceContext } from '../../../proxy/tracing/trace-context.ts';
import { requestHead } from '../http1/parsing.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const shortId = traceId.slice(16);
const own = '00f067aa0ba902b7';

/** As the head parser leaves them. */
function headersOf(given: Readonly<Record<string, string>>): HeaderMap {
  const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`);
  return requestHead(`GET / HTTP/1.1\r\n${lines.join('')}\r\n`).headers;
}

function read(given: Readonly<Record<string, string>>): [string, string, boolean | undefined] {
  const context = new TraceContext();
  context.read(headersOf(given));
  return [context.traceId, context.parentId, context.isSampled];
}

/** What the next hop gets. */
function passOn(given: Readonly<Record<string, string>>, isSampled: boolean): Record<string, string> {
  const headers = headersOf(given);
  const context = new TraceContext();
  context.read(headers);
  context.write(headers, own, isSampled);
  return recordOf(headers);
}

function recordOf(headers: HeaderMap): Record<string, string> {
  const found: Record<string, string> = {};
  for (let i = 0; i < headers.count; i++) if (!headers.isRemovedAt(i)) found[headers.nameAt(i)] = headers.valueAt(i);
  for (let i = 0; i < headers.addedCount; i++) found[headers.addedNames[i]?.text ?? ''] = headers.addedValues[i] ?? '';
  return found;
}

const b3 = (sampled: string) => ({ 'x-b3-traceid': traceId, 'x-b3-spanid': spanId, 'x-b3-sampled': sampled });

describe('a trace is continued', () => {
  test.each<[string, Record<string, string>, boolean | undefined]>([
    ['traceparent, sampled', { traceparent: `00-${traceId}-${spanId}-01` }, true],
    ['traceparent, not sampled', { traceparent: `00-${traceId}-${spanId}-00` }, false],
    ['traceparent of a later version that says more', { traceparent: `cc-${traceId}-${spanId}-03-more` }, true],
    ['single b3', { b3: `${traceId}-${spanId}-1` }, true],
    ['single b3 with a parent', { b3: `${traceId}-${spanId}-0-${own}` }, false],
    ['single b3 in debug', { b3: `${traceId}-${spanId}-d` }, true],
    ['single b3 that leaves the decision to us', { b3: `${traceId}-${spanId}` }, undefined],
    ['b3 in several headers', b3('1'), true],
    ['b3 of an old tracer', b3('false'), false],
    ['b3 in debug', { 'x-b3-traceid': traceId, 'x-b3-spanid': spanId, 'x-b3-flags': '1' }, true],
  ])('from %s', (_what, headers, isSampled) => {
    expect(read(headers)).toEqual([traceId, spanId, isSampled]);
  });

  test('from a b3 id of 64 bits, which is the lower half', () => {
    expect(read({ b3: `${shortId}-${spanId}-1` })[0]).toBe(`${'0'.repeat(16)}${shortId}`);
  });

  test('from traceparent where b3 says something else', () => {
    expect(read({ ...b3('0'), traceparent: `00-${traceId}-${own}-01` })).toEqual([traceId, own, true]);
  });
});

describe('a trace begins', () => {
  test.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['version ff', { traceparent: `ff-${traceId}-${spanId}-01` }],
    ['a trace id of zeros', { traceparent: `00-${'0'.repeat(32)}-${spanId}-01` }],
    ['a parent id of zeros', { traceparent: `00-${traceId}-${'0'.repeat(16)}-01` }],
    ['upper case', { traceparent: `00-${traceId.toUpperCase()}-${spanId}-01` }],
    ['version 00 that says more', { traceparent: `00-${traceId}-${spanId}-01-more` }],
    ['a short id', { traceparent: `00-${shortId}-${spanId}-01` }],
    ['a b3 id of odd length', { b3: `${traceId}0-${spanId}-1` }],
    ['a b3 without a span', { 'x-b3-traceid': traceId }],
  ])('with %s', (_what, headers) => {
    expect(read(headers)).toEqual(['', '', undefined]);
  });

  test.each([
    ['0', false],
    ['1', true],
  ])('with b3: %s, which only decides', (value, isSampled) => {
    expect(read({ b3: value })).toEqual(['', '', isSampled]);
  });

  test('without the tracestate of another one', () => {
    expect(passOn({ tracestate: 'a=1', traceparent: 'nonsense' }, false)).not.toHaveProperty('tracestate');
  });
});

describe('the next hop is told', () => {
  test('the new parent, and tracestate as it came', () => {
    expect(passOn({ traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'a=1,b=2' }, true)).toEqual({
      traceparent: `00-${traceId}-${own}-01`,
      tracestate: 'a=1,b=2',
    });
  });

  test('in several b3 headers where it was told so', () => {
    expect(passOn(b3('1'), true)).toEqual({
      traceparent: `00-${traceId}-${own}-01`,
      'x-b3-traceid': traceId,
      'x-b3-spanid': own,
      'x-b3-parentspanid': spanId,
      'x-b3-sampled': '1',
    });
  });

  test('in one b3 header where it was told so', () => {
    expect(passOn({ b3: `${traceId}-${spanId}-0` }, false)).toEqual({
      traceparent: `00-${traceId}-${own}-00`,
      b3: `${traceId}-${own}-0-${spanId}`,
    });
  });
});

test('S26: a copy belongs to the trace, not sampled, in every form', () => {
  const headers = headersOf({
    traceparent: `00-${traceId}-${spanId}-01`,
    b3: `${traceId}-${spanId}-1-${own}`,
    'x-b3-sampled': '1',
    'x-b3-flags': '1',
  });
  markNotSampled(headers);
  expect(recordOf(headers)).toEqual({
    traceparent: `00-${traceId}-${spanId}-00`,
    b3: `${traceId}-${spanId}-0-${own}`,
    'x-b3-sampled': '0',
  });
});
