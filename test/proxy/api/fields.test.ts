import { describe, expect, test } from 'vitest';
import type { Cluster, LbEndpoint } from '../../../proxy/api/envoy.gen.ts';
import { decodeFields, type Fields } from '../../../proxy/api/fields.ts';

function errorsOf(json: Cluster, decode: (fields: Fields<Cluster>) => unknown): string[] {
  const { errors = [] } = decodeFields(json, 'clusters[0]', decode);
  return errors.map(({ path, message }) => `${path}: ${message}`);
}

describe('reading is supporting', () => {
  test('a set field that nobody took is not supported, at any depth', () => {
    const json: Cluster = {
      name: 'a',
      track_timeout_budgets: true,
      eds_cluster_config: { service_name: 'a', eds_config: { self: {} } },
      load_assignment: { endpoints: [{ lb_endpoints: [{ endpoint_name: 'x' }] }] },
    };
    const errors = errorsOf(json, (fields) => {
      fields.name('name');
      fields.message('eds_cluster_config')?.message('eds_config');
      fields.message('load_assignment')?.list('endpoints', (locality) => locality.list('lb_endpoints', () => 1));
    });
    expect(errors).toEqual([
      'clusters[0].track_timeout_budgets: is not supported',
      'clusters[0].eds_cluster_config.service_name: is not supported',
      'clusters[0].eds_cluster_config.eds_config.self: is not supported',
      'clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint_name: is not supported',
    ]);
  });

  test('an ignored field is supported without being read', () => {
    expect(errorsOf({ alt_stat_name: 'x' }, (fields) => fields.ignore('alt_stat_name', 'name'))).toEqual([]);
  });

  test('what is inside an ignored or wholly taken field is not looked at', () => {
    const json: Cluster = { metadata: { filter_metadata: { a: {} } }, health_checks: [{ timeout: '1s' }] };
    expect(errorsOf(json, (fields) => [fields.ignore('metadata'), fields.take('health_checks')])).toEqual([]);
  });
});

describe('readers of single values', () => {
  test('fill in defaults', () => {
    const { value } = decodeFields<Cluster, object>({}, '', (fields) => ({
      text: fields.text('alt_stat_name', 'none'),
      duration: fields.durationMs('connect_timeout', 5000),
      number: fields.number('max_requests_per_connection', { defaultValue: 7 }),
      flag: fields.flag('respect_dns_ttl', true),
      choice: fields.choice('lb_policy', ['RANDOM', 'MAGLEV']),
    }));
    expect(value).toEqual({ text: 'none', duration: 5000, number: 7, flag: true, choice: 'RANDOM' });
  });

  test.each<[string, Cluster, (fields: Fields<Cluster>) => unknown, string]>([
    ['an empty name', { name: '' }, (fields) => fields.name('name'), 'name: must be set'],
    ['a missing message', {}, (fields) => fields.required('metadata'), 'metadata: must be set'],
    [
      'a negative duration',
      { connect_timeout: '-1s' },
      (fields) => fields.durationMs('connect_timeout', 0),
      'connect_timeout: must not be negative, got "-1s"',
    ],
    [
      'a number out of range',
      { max_requests_per_connection: 9 },
      (fields) => fields.number('max_requests_per_connection', { defaultValue: 0, max: 8 }),
      'max_requests_per_connection: must be from 0 to 8, got 9',
    ],
    [
      'another value than the only one',
      { respect_dns_ttl: true },
      (fields) => fields.only('respect_dns_ttl', false),
      'respect_dns_ttl: true is not supported, only false is',
    ],
    [
      'a choice that is none',
      { lb_policy: 'MAGLEV' },
      (fields) => fields.choice('lb_policy', ['ROUND_ROBIN', 'RANDOM']),
      'lb_policy: "MAGLEV" is not supported, only ROUND_ROBIN, RANDOM',
    ],
  ])('refuse %s', (_what, json, decode, fault) => {
    expect(errorsOf(json, decode)).toEqual([`clusters[0].${fault}`]);
  });
});

describe('typed_config', () => {
  const table = {
    'google.rpc.Status': (status: Fields<{ code?: number }>) => status.number('code', { defaultValue: 0 }),
  };

  function decodeTyped(config: { '@type': string } & Record<string, unknown>) {
    return decodeFields({ typed_config: config }, '', (fields) => fields.typed('typed_config', table));
  }

  test('is decoded by the entry for its type', () => {
    expect(decodeTyped({ '@type': 'type.googleapis.com/google.rpc.Status', code: 7 })).toEqual({ value: 7 });
  });

  test('of another type is refused, and so are fields that its decoder does not take', () => {
    expect(decodeTyped({ '@type': 'type.googleapis.com/google.protobuf.Struct', value: {} }).errors).toEqual([
      { path: 'typed_config', message: 'google.protobuf.Struct is not supported here, only google.rpc.Status' },
    ]);
    expect(decodeTyped({ '@type': 'type.googleapis.com/google.rpc.Status', message: 'x' }).errors).toEqual([
      { path: 'typed_config.message', message: 'is not supported' },
    ]);
  });

  test('with a type named like something of JavaScript is just unknown', () => {
    expect(decodeTyped({ '@type': 'x/constructor' }).errors?.[0]?.message).toContain(
      'constructor is not supported here',
    );
  });
});

test('a decoded value is frozen to the bottom', () => {
  const json: LbEndpoint = { endpoint_name: 'x' };
  const { value } = decodeFields(json, '', (fields) => ({ list: [{ name: fields.take('endpoint_name') }] }));
  expect(Object.isFrozen(value)).toBe(true);
  expect(Object.isFrozen(value?.list[0])).toBe(true);
});
