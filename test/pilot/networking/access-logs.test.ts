import { describe, expect, test } from 'vitest';
import type { AccessLogConfig, AccessLogProvider } from '../../../crds/access-log.ts';
import { parseLogFilter } from '../../../crds/log-filter.ts';
import { buildAccessLogFilter } from '../../../pilot/networking/access-log-filter.ts';
import { buildAccessLog } from '../../../pilot/networking/access-logs.ts';
import type { AccessLogFilter, FileAccessLog, SubstitutionFormatString } from '../../../proxy/api/envoy.gen.ts';

function fileOf(provider: AccessLogProvider, config: AccessLogConfig = {}): FileAccessLog {
  const { typed_config } = buildAccessLog({ provider, expression: undefined }, config);
  expect(typed_config?.['@type']).toBe('type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog');
  return (typed_config ?? {}) as FileAccessLog;
}

type FileLog = AccessLogProvider['envoyFileAccessLog'];
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
    const logs = ['response.code == 200', undefined].map((expression) => buildAccessLog({ provider, expression }, {}));
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
