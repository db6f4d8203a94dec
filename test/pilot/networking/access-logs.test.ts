import { describe, expect, test } from 'vitest';
import {
  type AccessLogConfig,
  type AccessLogProvider,
  builtInProvider,
  type FileLogProvider,
} from '../../../crds/access-log.ts';
import { parseLogFilter } from '../../../crds/log-filter.ts';
import { buildAccessLogFilter } from '../../../pilot/networking/access-log-filter.ts';
import { buildAccessLog } from '../../../pilot/networking/access-logs.ts';
import { buildHttpConnectionManager, connectionReports } from '../../../pilot/networking/http-connection-manager.ts';
import type { WorkloadMode } from '../../../pilot/model/telemetries.ts';
import type {
  AccessLog,
  AccessLogFilter,
  FileAccessLog,
  HttpConnectionManager,
  SubstitutionFormatString,
} from '../../../proxy/api/envoy.gen.ts';

function fileOf(provider: FileLogProvider, config: AccessLogConfig = {}): FileAccessLog {
  const { typed_config } = buildAccessLog({ provider, expression: undefined }, config, 'CLIENT');
  expect(typed_config?.['@type']).toBe('type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog');
  return (typed_config ?? {}) as FileAccessLog;
}

type FileLog = FileLogProvider['envoyFileAccessLog'];
const formatOf = (envoyFileAccessLog: FileLog, config?: AccessLogConfig, name = 'a'): SubstitutionFormatString =>
  fileOf({ name, envoyFileAccessLog }, config).log_format ?? {};
const textOf = ({ text_format_source }: SubstitutionFormatString): string => text_format_source?.inline_string ?? '';

const istioText =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% ' +
  '%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% ' +
  '%ROUTE_NAME%\n';

describe('the file log of a provider', () => {
  test('goes to stdout where no path is given', () => {
    expect(fileOf({ name: 'a', envoyFileAccessLog: {} }).path).toBe('/dev/stdout');
    expect(fileOf({ name: 'a', envoyFileAccessLog: { path: '/x' } }).path).toBe('/x');
  });

  test("has Istio's line where no format is given", () => {
    for (const log of [{}, { logFormat: {} }, { logFormat: { text: '' } }])
      expect(textOf(formatOf(log))).toBe(istioText);
  });

  test('has its own line, which ends', () => {
    expect(textOf(formatOf({ logFormat: { text: '%DURATION%' } }))).toBe('%DURATION%\n');
    expect(textOf(formatOf({ logFormat: { text: '%DURATION%\n' } }))).toBe('%DURATION%\n');
  });

  test("is JSON with its own labels, or with Istio's", () => {
    const labels = { a: '%DURATION%', b: { c: 'x' } };
    expect(formatOf({ logFormat: { labels } }).json_format).toEqual(labels);
    const standard = formatOf({ logFormat: { labels: {} } }).json_format ?? {};
    expect(Object.keys(standard)).toHaveLength(24);
    expect(standard).toMatchObject({
      path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
      upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
      upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
    });
    // The line of text and the object have the same variables.
    expect(Object.values(standard).filter((variable) => !istioText.includes(String(variable)))).toEqual([]);
  });

  test('leaves out empty values where it says so', () => {
    expect(formatOf({ omitEmptyValues: true }).omit_empty_values).toBe(true);
    expect(formatOf({}).omit_empty_values).toBeUndefined();
  });

  test('of the name envoy follows the format of the mesh configuration, unless it has its own', () => {
    const text = { accessLogFormat: 'mesh' };
    expect(textOf(formatOf({}, text, 'envoy'))).toBe('mesh\n');
    expect(textOf(formatOf({}, text, 'other'))).toBe(istioText);
    expect(textOf(formatOf({ logFormat: { text: 'own' } }, text, 'envoy'))).toBe('own\n');
    expect(textOf(formatOf({ omitEmptyValues: true }, text, 'envoy'))).toBe(istioText);
  });

  test('of the mesh may be JSON', () => {
    const json = { accessLogEncoding: 'JSON' } as const;
    expect(Object.keys(formatOf({}, json, 'envoy').json_format ?? {})).toHaveLength(24);
    const accessLogFormat = '{"a": "%DURATION%"}';
    expect(formatOf({}, { ...json, accessLogFormat }, 'envoy')).toEqual({ json_format: { a: '%DURATION%' } });
  });
});

describe('the filter of a log', () => {
  const filterOf = (expression: string): AccessLogFilter => {
    const { filter, fault } = parseLogFilter(expression);
    if (filter === undefined) throw new Error(fault);
    return buildAccessLogFilter(filter);
  };
  const code = (op: 'EQ' | 'GE' | 'LE', default_value: number): AccessLogFilter => ({
    status_code_filter: { comparison: { op, value: { default_value, runtime_key: 'istio.io/unset' } } },
  });

  test('stands beside its log', () => {
    const provider = { name: 'a', envoyFileAccessLog: {} };
    const logs = ['response.code == 200', undefined].map((expression) =>
      buildAccessLog({ provider, expression }, {}, 'CLIENT'),
    );
    expect(logs.map(({ filter }) => filter)).toEqual([code('EQ', 200), undefined]);
  });

  test.each([
    ['==', code('EQ', 400)],
    ['>=', code('GE', 400)],
    ['>', code('GE', 401)],
    ['<=', code('LE', 400)],
    ['<', code('LE', 399)],
    ['!=', { or_filter: { filters: [code('LE', 399), code('GE', 401)] } }],
  ])("says response.code %s 400 with Envoy's three operators", (op, filter) => {
    expect(filterOf(`response.code ${op} 400`)).toEqual(filter);
  });

  test('has no code below 0', () => {
    expect(filterOf('response.code != 0')).toEqual(code('GE', 1));
  });

  test.each<[expression: string, filter: AccessLogFilter]>([
    ["request.method == 'GET'", { header_filter: { header: { name: ':method', string_match: { exact: 'GET' } } } }],
    [
      "!request.path.startsWith('/x')",
      { header_filter: { header: { name: ':path', string_match: { prefix: '/x' }, invert_match: true } } },
    ],
    [
      "request.host.endsWith('x') && 'a' in request.headers",
      {
        and_filter: {
          filters: [
            { header_filter: { header: { name: ':authority', string_match: { suffix: 'x' } } } },
            { header_filter: { header: { name: 'a', present_match: true } } },
          ],
        },
      },
    ],
    [
      "!('a' in request.headers)",
      { header_filter: { header: { name: 'a', present_match: true, invert_match: true } } },
    ],
    ['response.flags != 0', { response_flag_filter: {} }],
    [
      "request.duration >= duration('2s')",
      { duration_filter: { comparison: { op: 'GE', value: { default_value: 2_000, runtime_key: 'istio.io/unset' } } } },
    ],
    [
      "request.duration < duration('2s')",
      { duration_filter: { comparison: { op: 'LE', value: { default_value: 1_999, runtime_key: 'istio.io/unset' } } } },
    ],
  ])('translates %s', (expression, filter) => {
    expect(filterOf(expression)).toEqual(filter);
  });
});

describe('the log of an access-log service', () => {
  const provider = { name: 'als', envoyHttpAls: { service: 'shop/als.mesh', port: 9_001 } };
  const tcpProvider = { name: 'als', envoyTcpAls: { service: 'als.mesh', port: 9_001, logName: 'mine' } };
  const build = (each: AccessLogProvider, mode: WorkloadMode = 'CLIENT'): AccessLog =>
    buildAccessLog({ provider: each, expression: undefined }, {}, mode);

  test('goes to the cluster of its service, which it calls by its host', () => {
    expect(build(provider)).toMatchObject({
      name: 'envoy.access_loggers.http_grpc',
      typed_config: {
        common_config: {
          log_name: 'http_envoy_accesslog',
          grpc_service: { envoy_grpc: { cluster_name: 'outbound|9001||als.mesh', authority: 'als.mesh' } },
        },
        additional_request_headers_to_log: ['traceparent'],
      },
    });
    expect(build(tcpProvider)).toMatchObject({
      name: 'envoy.access_loggers.tcp_grpc',
      typed_config: { common_config: { log_name: 'mine' } },
    });
  });

  test('says on which side of its traffic the listener stands', () => {
    const tagsOf = (mode: WorkloadMode): unknown => build(provider, mode).typed_config?.['common_config'];
    expect(tagsOf('SERVER')).toMatchObject({
      custom_tags: [{ tag: 'heddle.reporter', literal: { value: 'destination' } }],
    });
    expect(tagsOf('CLIENT')).toMatchObject({
      custom_tags: [{ tag: 'heddle.reporter', literal: { value: 'source' } }, { tag: 'heddle.destination_workload' }],
    });
  });

  test('of requests is with the connection manager, that of connections with the TCP proxy', () => {
    const access_log = [build(provider), build(tcpProvider), build(builtInProvider)];
    const namesOf = (logs: readonly AccessLog[] = []): unknown[] => logs.map(({ name }) => name);
    const manager = buildHttpConnectionManager({ stat_prefix: 'a', access_log }, 'OUTBOUND').typed_config;
    const file = 'envoy.access_loggers.file';
    expect(namesOf((manager as HttpConnectionManager).access_log)).toEqual(['envoy.access_loggers.http_grpc', file]);
    expect(namesOf(connectionReports({ access_log }).access_log)).toEqual(['envoy.access_loggers.tcp_grpc', file]);
    expect(connectionReports({ access_log: [build(provider)] })).toEqual({});
  });
});
