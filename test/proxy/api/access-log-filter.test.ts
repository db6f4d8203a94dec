import { describe, expect, test } from 'vitest';
import type { AccessLogFilter } from '../../../proxy/api/envoy.gen.ts';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { responseFlagNames } from '../../../proxy/common/response-flags.ts';
import { listenerJson, routeConfigurationJson, typed } from './samples.ts';
import { httpConnectionManagersOf } from '../../../proxy/api/listener.ts';

function decode(filter: AccessLogFilter) {
  const typed_config = typed('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog');
  const access_log = [{ name: 'a', filter, typed_config }];
  const json = listenerJson('l', { route_config: routeConfigurationJson('r'), access_log });
  return decodeListener(requireValue(readJson('envoy.config.listener.v3.Listener', json), 'sample'));
}

const filterOf = (filter: AccessLogFilter) =>
  httpConnectionManagersOf(requireValue(decode(filter), 'sample'))[0]?.accessLogs[0]?.filter;

const faultsOf = (filter: AccessLogFilter): string[] =>
  formatFieldErrors(decode(filter).errors ?? [])
    .replaceAll('filter_chains[0].filters[0].typed_config.access_log[0].', '')
    .split('\n');

const comparison = { op: 'GE', value: { default_value: 500, runtime_key: 'k' } } as const;
const percent = { numerator: 5, denominator: 'TEN_THOUSAND' } as const;

describe('the filter of an access log', () => {
  test.each<[AccessLogFilter, object]>([
    [{ status_code_filter: { comparison } }, { kind: 'status_code', op: 'GE', value: 500 }],
    [
      { duration_filter: { comparison: { op: 'LE', value: { runtime_key: 'k' } } } },
      { kind: 'duration', op: 'LE', value: 0 },
    ],
    [{ not_health_check_filter: {} }, { kind: 'not_health_check' }],
    [{ traceable_filter: {} }, { kind: 'traceable' }],
    [
      { runtime_filter: { runtime_key: 'k', percent_sampled: percent } },
      { kind: 'runtime', numerator: 5, denominator: 10_000, isIndependent: false },
    ],
    [
      { runtime_filter: { runtime_key: 'k', use_independent_randomness: true } },
      { kind: 'runtime', numerator: 0, denominator: 100, isIndependent: true },
    ],
    [
      { or_filter: { filters: [{ not_health_check_filter: {} }, { response_flag_filter: {} }] } },
      { kind: 'or', filters: [{ kind: 'not_health_check' }, { kind: 'response_flag', flags: [] }] },
    ],
    [
      { header_filter: { header: { name: 'X-Log', present_match: true } } },
      { kind: 'header', match: { name: 'x-log', condition: { kind: 'present', isPresent: true } } },
    ],
    [
      { response_flag_filter: { flags: Object.keys(responseFlagNames) } },
      { kind: 'response_flag', flags: Object.keys(responseFlagNames) },
    ],
    [
      { grpc_status_filter: { statuses: ['OK', 'CANCELED', 'UNAUTHENTICATED'], exclude: true } },
      { kind: 'grpc_status', statuses: [0, 1, 16], isExcluding: true },
    ],
  ])('%j is %j', (filter, decoded) => {
    expect(filterOf(filter)).toMatchObject(decoded);
  });

  test('is none when there is none', () => {
    const typed_config = typed('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog');
    const json = listenerJson('l', { route_config: routeConfigurationJson('r'), access_log: [{ typed_config }] });
    const { value } = decodeListener(requireValue(readJson('envoy.config.listener.v3.Listener', json), 'sample'));
    expect(value && httpConnectionManagersOf(value)[0]?.accessLogs[0]?.filter).toBeUndefined();
  });

  test.each<[AccessLogFilter, string[]]>([
    [{}, ['filter: must have one filter']],
    [{ log_type_filter: { types: ['DownstreamEnd'] } }, ['filter.log_type_filter: is not supported']],
    [{ extension_filter: { name: 'cel' } }, ['filter.extension_filter: is not supported']],
    [{ metadata_filter: {} }, ['filter.metadata_filter: is not supported']],
    [{ status_code_filter: {} }, ['filter.status_code_filter.comparison: must be set']],
    [{ duration_filter: { comparison: { op: 'EQ' } } }, ['filter.duration_filter.comparison.value: must be set']],
    [
      { status_code_filter: { comparison: { value: { default_value: 1 } } } },
      ['filter.status_code_filter.comparison.value.runtime_key: must be set'],
    ],
    [{ runtime_filter: {} }, ['filter.runtime_filter.runtime_key: must be set']],
    [
      { and_filter: { filters: [{ not_health_check_filter: {} }] } },
      ['filter.and_filter.filters: must have at least two filters, got 1'],
    ],
    [
      { or_filter: { filters: [{ not_health_check_filter: {} }, { metadata_filter: {} }] } },
      ['filter.or_filter.filters[1].metadata_filter: is not supported'],
    ],
    [{ header_filter: {} }, ['filter.header_filter.header: must be set']],
    [
      { header_filter: { header: { name: 'a', safe_regex_match: { regex: '(' } } } },
      [expect.stringMatching(/^filter\.header_filter\.header\.safe_regex_match\.regex: /)],
    ],
    [
      { response_flag_filter: { flags: ['UH', 'NOPE'] } },
      [
        `filter.response_flag_filter.flags: "NOPE" is no response flag, which are ${Object.keys(responseFlagNames).join(', ')}`,
      ],
    ],
  ])('%j is refused', (filter, faults) => {
    expect(faultsOf(filter)).toEqual(faults);
  });
});
