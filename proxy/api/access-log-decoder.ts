/**
 * Decodes `envoy.config.accesslog.v3.AccessLog`: lines of text or JSON to a file, to stdout or to stderr, or entries to an
 * access-log service.
 */
import { parseFormat } from '../common/format-string.ts';
import { readAccessLogFilter } from './access-log-filter-decoder.ts';
import type {
  AccessLog as AccessLogJson,
  CommonGrpcAccessLogConfig,
  CustomTag as CustomTagJson,
  SubstitutionFormatString,
} from './envoy.gen.ts';
import { fieldPath, indexPath } from './field-path.ts';
import type { Fields } from './fields.ts';
import type {
  AccessLog,
  AccessLogFormat,
  AccessLogServiceConfig,
  AccessLogSink,
  GrpcAccessLog,
  JsonFormat,
  JsonFormatValue,
  LineAccessLog,
  LogTag,
} from './listener.ts';
import { readCustomTag } from './tracing-decoder.ts';

/** Envoy docs, access_log/usage: the default format string. */
const defaultFormat: AccessLogFormat = {
  kind: 'text',
  source:
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
    '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n',
  omitsEmptyValues: false,
};

export function readAccessLog(fields: Fields<AccessLogJson>): AccessLog {
  fields.ignore('name');
  const filter = fields.message('filter');
  const log = fields.typed<LineAccessLog | GrpcAccessLog>('typed_config', {
    'envoy.extensions.access_loggers.file.v3.FileAccessLog': (file) => ({
      kind: 'lines',
      sink: fileSink(file.name('path')),
      format: readFormat(file.message('log_format')),
    }),
    'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog': (stream) => ({
      kind: 'lines',
      sink: { kind: 'stdout' },
      format: readFormat(stream.message('log_format')),
    }),
    'envoy.extensions.access_loggers.stream.v3.StderrAccessLog': (stream) => ({
      kind: 'lines',
      sink: { kind: 'stderr' },
      format: readFormat(stream.message('log_format')),
    }),
    'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig': (http) => ({
      ...readGrpcLog(http.required('common_config'), 'http'),
      requestHeaders: readHeaderNames(http.take('additional_request_headers_to_log')),
      responseHeaders: readHeaderNames(http.take('additional_response_headers_to_log')),
    }),
    'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig': (tcp) =>
      readGrpcLog(tcp.required('common_config'), 'tcp'),
  });
  const placeholder: LineAccessLog = { kind: 'lines', sink: { kind: 'stdout' }, format: defaultFormat };
  return { ...(log ?? placeholder), filter: filter && readAccessLogFilter(filter) };
}

function readGrpcLog(fields: Fields<CommonGrpcAccessLogConfig>, entries: GrpcAccessLog['entries']): GrpcAccessLog {
  return {
    kind: 'grpc',
    service: readService(fields),
    entries,
    requestHeaders: [],
    responseHeaders: [],
    customTags: fields.list('custom_tags', readLogTag).flat(),
  };
}

/** Envoy docs, extensions/access_loggers/grpc/v3/als.proto. */
function readService(fields: Fields<CommonGrpcAccessLogConfig>): AccessLogServiceConfig {
  if (fields.take('transport_api_version') !== 'V3') fields.fail('transport_api_version', 'must be V3');
  const bufferFlushIntervalMs = fields.durationMs('buffer_flush_interval', 1_000);
  if (bufferFlushIntervalMs === 0) fields.fail('buffer_flush_interval', 'must be more than 0');
  const grpc = fields.required('grpc_service').required('envoy_grpc');
  return {
    logName: fields.name('log_name'),
    clusterName: grpc.name('cluster_name'),
    authority: grpc.text('authority'),
    bufferFlushIntervalMs,
    bufferSizeBytes: fields.number('buffer_size_bytes', { defaultValue: 16_384 }),
  };
}

function readHeaderNames(names: readonly string[] = []): readonly string[] {
  return names.map((name) => name.toLowerCase());
}

/** Of an endpoint's metadata only what telemetry makes labels of. */
function readLogTag(fields: Fields<CustomTagJson>): LogTag[] {
  const metadata = fields.message('metadata');
  if (metadata === undefined) return readCustomTag(fields);
  const key = metadata.required('metadata_key');
  const path = key.list('path', (segment) => segment.name('key'));
  const isHost = metadata.message('kind')?.message('host') !== undefined;
  if (!isHost || key.name('key') !== 'istio' || path.join('/') !== 'workload') {
    metadata.failHere('is not supported, only istio.workload of the host is');
  }
  return [{ kind: 'destination_workload', tag: fields.name('tag') }];
}

function fileSink(path: string): AccessLogSink {
  if (path === '/dev/stdout') return { kind: 'stdout' };
  return path === '/dev/stderr' ? { kind: 'stderr' } : { kind: 'file', path };
}

function readFormat(fields: Fields<SubstitutionFormatString> | undefined): AccessLogFormat {
  if (fields === undefined) return defaultFormat;
  const omitsEmptyValues = fields.flag('omit_empty_values');
  const json = fields.take('json_format');
  if (json !== undefined) {
    // A map has no order on the wire: keys are sorted in any case, as Envoy does.
    fields.message('json_format_options')?.ignore('sort_properties');
    return { kind: 'json', properties: readProperties(fields, json, ''), omitsEmptyValues };
  }
  const text = fields.message('text_format_source');
  if (text === undefined) fields.failHere('must have one of json_format and text_format_source');
  const source = text?.text('inline_string') ?? '';
  for (const { message } of parseFormat(source).errors ?? []) text?.fail('inline_string', message);
  return { kind: 'text', source, omitsEmptyValues };
}

function readProperties(fields: Fields<SubstitutionFormatString>, json: object, path: string): JsonFormat {
  const entries = Object.entries(json).map(([key, value]: [string, unknown]): [string, JsonFormatValue] => [
    key,
    readValue(fields, value, fieldPath(path, key)),
  ]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readValue(fields: Fields<SubstitutionFormatString>, value: unknown, at: string): JsonFormatValue {
  if (typeof value === 'string') {
    for (const { message } of parseFormat(value).errors ?? []) fields.fail('json_format', `${at}: ${message}`);
    return value;
  }
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (Array.isArray(value)) return value.map((each: unknown, i) => readValue(fields, each, indexPath(at, i)));
  return readProperties(fields, value as object, at);
}
