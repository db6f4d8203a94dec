/** The filter of a Telemetry's access log as Envoy's own (Envoy docs, config.accesslog.v3.AccessLogFilter). */
import type { LogFilter } from '../../crds/log-filter.ts';
import type {
  AccessLogFilter,
  ComparisonFilter_Op,
  DurationFilter,
  HeaderMatcher,
  StatusCodeFilter,
} from '../../proxy/api/envoy.gen.ts';

export function buildAccessLogFilter(filter: LogFilter): AccessLogFilter {
  switch (filter.kind) {
    case 'and':
      return { and_filter: { filters: filter.filters.map(buildAccessLogFilter) } };
    case 'or':
      return { or_filter: { filters: filter.filters.map(buildAccessLogFilter) } };
    case 'code':
      return buildCodeFilter(filter);
    case 'duration':
      return buildDurationFilter(filter);
    case 'text':
      return headerFilter({ name: filter.header, string_match: { [filter.test]: filter.value } }, filter.isNegated);
    case 'present':
      return headerFilter({ name: filter.header, present_match: true }, filter.isNegated);
    case 'flagged':
      // Without flags: any of them.
      return { response_flag_filter: {} };
  }
}

function headerFilter(match: HeaderMatcher, isNegated: boolean): AccessLogFilter {
  return { header_filter: { header: isNegated ? { ...match, invert_match: true } : match } };
}

/** Envoy compares whole numbers, and with these operators only. */
function buildCodeFilter({ op, value }: LogFilter & { kind: 'code' }): AccessLogFilter {
  switch (op) {
    case '==':
      return compareCode('EQ', value);
    case '>=':
      return compareCode('GE', value);
    case '<=':
      return compareCode('LE', value);
    case '>':
      return compareCode('GE', value + 1);
    case '<':
      return compareCode('LE', value - 1);
    case '!=': {
      const above = compareCode('GE', value + 1);
      return value === 0 ? above : { or_filter: { filters: [compareCode('LE', value - 1), above] } };
    }
  }
}

function compareCode(op: ComparisonFilter_Op, value: number): AccessLogFilter {
  return { status_code_filter: compare(op, value) };
}

function buildDurationFilter({ op, valueMs }: LogFilter & { kind: 'duration' }): AccessLogFilter {
  return { duration_filter: op === '>=' ? compare('GE', valueMs) : compare('LE', valueMs - 1) };
}

/** Envoy wants a key, which could change the value at run time; nothing sets this one. */
function compare(op: ComparisonFilter_Op, value: number): StatusCodeFilter & DurationFilter {
  const comparison = { op, value: { default_value: value, runtime_key: 'istio.io/unset' } };
  return { comparison };
}
