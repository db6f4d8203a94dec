/**
 * Decodes `envoy.config.accesslog.v3.AccessLogFilter`. Heddle has no runtime that could hold a key, so default values are
 * the values.
 */
import { grpcStatusNumber } from '../common/grpc-statuses.ts';
import { isResponseFlag, responseFlagNames } from '../common/response-flags.ts';
import type { AccessLogFilter } from './access-log-filter.ts';
import type {
  AccessLogFilter as AccessLogFilterJson,
  AndFilter,
  ComparisonFilter,
  GrpcStatusFilter,
  OrFilter,
  ResponseFlagFilter,
  RuntimeFilter,
} from './envoy.gen.ts';
import { show } from './field-path.ts';
import type { Fields } from './fields.ts';
import { readFraction } from './fraction-decoder.ts';
import { readHeaderMatch } from './route-match-decoder.ts';

export function readAccessLogFilter(fields: Fields<AccessLogFilterJson>): AccessLogFilter {
  if (fields.message('not_health_check_filter') !== undefined) return { kind: 'not_health_check' };
  if (fields.message('traceable_filter') !== undefined) return { kind: 'traceable' };
  const statusCode = fields.message('status_code_filter');
  if (statusCode !== undefined) return { kind: 'status_code', ...readComparison(statusCode.required('comparison')) };
  const duration = fields.message('duration_filter');
  if (duration !== undefined) return { kind: 'duration', ...readComparison(duration.required('comparison')) };
  const runtime = fields.message('runtime_filter');
  if (runtime !== undefined) return readRuntimeFilter(runtime);
  const and = fields.message('and_filter');
  if (and !== undefined) return { kind: 'and', filters: readFilters(and) };
  const or = fields.message('or_filter');
  if (or !== undefined) return { kind: 'or', filters: readFilters(or) };
  const header = fields.message('header_filter');
  if (header !== undefined) return { kind: 'header', match: readHeaderMatch(header.required('header')) };
  const responseFlag = fields.message('response_flag_filter');
  if (responseFlag !== undefined) return readResponseFlagFilter(responseFlag);
  const grpcStatus = fields.message('grpc_status_filter');
  if (grpcStatus !== undefined) return readGrpcStatusFilter(grpcStatus);
  // Those that are not supported are reported by name.
  if (!notSupported.some((key) => fields.has(key))) fields.failHere('must have one filter');
  return { kind: 'not_health_check' };
}

const notSupported = ['extension_filter', 'metadata_filter', 'log_type_filter'] as const;

function readComparison(fields: Fields<ComparisonFilter>): { op: 'EQ' | 'GE' | 'LE'; value: number } {
  const op = fields.choice('op', ['EQ', 'GE', 'LE']);
  const value = fields.required('value');
  value.name('runtime_key');
  return { op, value: value.number('default_value', { defaultValue: 0 }) };
}

function readRuntimeFilter(fields: Fields<RuntimeFilter>): AccessLogFilter {
  fields.name('runtime_key');
  const isIndependent = fields.flag('use_independent_randomness');
  return { kind: 'runtime', ...readFraction(fields.message('percent_sampled')), isIndependent };
}

function readFilters(fields: Fields<AndFilter | OrFilter>): AccessLogFilter[] {
  const filters = fields.list('filters', readAccessLogFilter);
  if (filters.length < 2) fields.fail('filters', `must have at least two filters, got ${filters.length}`);
  return filters;
}

function readResponseFlagFilter(fields: Fields<ResponseFlagFilter>): AccessLogFilter {
  const given = fields.take('flags') ?? [];
  const known = Object.keys(responseFlagNames).join(', ');
  for (const flag of given) {
    if (!isResponseFlag(flag)) fields.fail('flags', `${show(flag)} is no response flag, which are ${known}`);
  }
  return { kind: 'response_flag', flags: given.filter(isResponseFlag) };
}

function readGrpcStatusFilter(fields: Fields<GrpcStatusFilter>): AccessLogFilter {
  const statuses = (fields.take('statuses') ?? []).map((status) => grpcStatusNumber('envoyName', status));
  return { kind: 'grpc_status', statuses, isExcluding: fields.flag('exclude') };
}
