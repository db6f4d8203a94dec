import { describe, expect, test } from 'vitest';
import { messageType } from '../../../proxy/api/descriptor.ts';
import type { Cluster } from '../../../proxy/api/envoy.gen.ts';
import { decode, encode, type MessageName, readJson } from '../../../proxy/api/protojson.ts';
import { formatFieldErrors } from '../../../proxy/common/decoded.ts';
import { http2Options, staticClusterJson } from './samples.ts';

const clusterName = 'envoy.config.cluster.v3.Cluster';
const histogramName = 'envoy.service.metrics.v3.StreamMetricsMessage';

function faults(name: MessageName, json: unknown, path = ''): string[] {
  return formatFieldErrors(readJson(name, json, path).errors ?? []).split('\n');
}

describe('a message survives bytes and back', () => {
  test.each<[string, Cluster]>([
    ['a duration', { name: 'a', connect_timeout: '0.25s' }],
    ['an enum outside a oneof at its default is not set', { name: 'a', type: 'EDS', lb_policy: 'RANDOM' }],
    ['an enum at its default inside a oneof is set', { name: 'a', type: 'STATIC' }],
    ['nested lists of messages', staticClusterJson('a', 1, 2, 65_535)],
    ['any', { name: 'a', typed_extension_protocol_options: http2Options }],
    [
      'wrappers, also when they hold a default',
      { name: 'a', track_timeout_budgets: true, least_request_lb_config: { choice_count: 0 } },
    ],
    [
      'free-form JSON',
      {
        metadata: {
          filter_metadata: { istio: { services: [{ host: 'x', n: -1.5, z: null, b: false, list: [], object: {} }] } },
        },
      },
    ],
  ])('%s', (_what, json) => {
    expect(decode(clusterName, encode(clusterName, json))).toEqual({ value: json });
  });

  test('numbers of 64 bits, doubles that JSON has no number for, and times', () => {
    const json = {
      envoy_metrics: [
        {
          name: 'h',
          type: 'HISTOGRAM' as const,
          metric: [
            {
              timestamp_ms: Number.MAX_SAFE_INTEGER,
              histogram: {
                sample_count: 2 ** 40,
                sample_sum: 0.5,
                bucket: [{ upper_bound: 'Infinity' as unknown as number }],
                created_timestamp: '2026-01-31T12:00:00.25Z',
              },
            },
          ],
        },
      ],
    };
    expect(decode(histogramName, encode(histogramName, json))).toEqual({ value: json });
  });

  test('bytes in base64, of either alphabet', () => {
    const body = (text: string) => ({
      virtual_hosts: [{ routes: [{ direct_response: { body: { inline_bytes: text } } }] }],
    });
    const name = 'envoy.config.route.v3.RouteConfiguration';
    expect(decode(name, encode(name, body('-_8')))).toEqual({ value: body('+/8=') });
  });

  test.each(['-3s', '3.000000001s', '0s', '-0.5s', '315576000000s'])('the duration %s', (text) => {
    expect(readJson(clusterName, { connect_timeout: text })).toEqual({ value: { connect_timeout: text } });
  });

  test.each(['0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z', '1969-12-31T23:59:59.5Z'])(
    'the time %s',
    (text) => {
      const json = { envoy_metrics: [{ metric: [{ counter: { created_timestamp: text } }] }] };
      expect(decode(histogramName, encode(histogramName, json))).toEqual({ value: json });
    },
  );
});

describe('reading JSON', () => {
  test('takes both spellings of a field, and enums by name or number', () => {
    const expected = { value: { name: 'a', connect_timeout: '1s', lb_policy: 'RANDOM' } };
    expect(readJson(clusterName, { name: 'a', connect_timeout: '1s', lb_policy: 'RANDOM' })).toEqual(expected);
    expect(readJson(clusterName, { name: 'a', connectTimeout: '1s', lbPolicy: 3 })).toEqual(expected);
  });

  test('treats null and defaults as not set', () => {
    expect(readJson(clusterName, { name: null, alt_stat_name: '', lb_policy: 'ROUND_ROBIN', filters: [] })).toEqual({
      value: {},
    });
  });

  test('takes integers as decimal strings', () => {
    expect(readJson(histogramName, { envoy_metrics: [{ metric: [{ timestamp_ms: '17' }] }] })).toEqual({
      value: { envoy_metrics: [{ metric: [{ timestamp_ms: 17 }] }] },
    });
  });

  test('reports every fault, with the path as the user spelled it', () => {
    const json = {
      nam: 'a',
      connectTimeout: 5,
      type: 'EDSS',
      load_assignment: {
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socketAddress: { portValue: -1 } } } }] }],
      },
      metadata: { filter_metadata: { 'a.b': 'no object' } },
    };
    expect(faults(clusterName, json, 'static_resources.clusters[0]')).toEqual([
      'static_resources.clusters[0].nam: is not a field of Cluster; did you mean "name"?',
      'static_resources.clusters[0].connectTimeout: must be a duration such as "0.25s", got 5',
      'static_resources.clusters[0].type: must be one of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST, got "EDSS"; did you mean EDS?',
      'static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socketAddress.portValue: must be an integer from 0 to 4294967295, got -1',
      'static_resources.clusters[0].metadata.filter_metadata["a.b"]: must be an object, got "no object"',
    ]);
  });

  test.each<[string, unknown, string]>([
    ['no object', 'x', 'must be an object, got "x"'],
    ['a list instead of an object', [], 'must be an object, got a list'],
    ['an object instead of a list', { filters: {} }, 'filters: must be a list, got an object'],
    ['a number instead of a string', { name: 7 }, 'name: must be a string, got 7'],
    ['a string instead of a flag', { respect_dns_ttl: 'yes' }, 'respect_dns_ttl: must be true or false, got "yes"'],
    [
      'a fraction instead of an integer',
      { dns_lookup_family: 1.5 },
      'dns_lookup_family: must be one of AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, ALL, got 1.5',
    ],
    [
      'a duration out of range',
      { connect_timeout: '315576000001s' },
      'connect_timeout: must be a duration such as "0.25s", got "315576000001s"',
    ],
    [
      'two spellings at once',
      { connect_timeout: '1s', connectTimeout: '2s' },
      'connectTimeout: is given twice, in two spellings',
    ],
    [
      'two members of a oneof',
      { type: 'EDS', cluster_type: { name: 'x' } },
      'cluster_type: excludes "type": only one of them may be set',
    ],
    [
      'an unknown type',
      { transport_socket: { name: 'x', typed_config: { '@type': 'a/b.C' } } },
      'transport_socket.typed_config.@type: "a/b.C" is not a supported type',
    ],
    [
      'no type',
      { transport_socket: { name: 'x', typed_config: {} } },
      'transport_socket.typed_config.@type: must be a type URL, got undefined',
    ],
    ['a type URL where no Any is', { '@type': 'x' }, '@type: is not a field of Cluster; did you mean "type"?'],
    ['names of JavaScript', { constructor: 1 }, 'constructor: is not a field of Cluster'],
  ])('refuses %s', (_what, json, fault) => {
    expect(faults(clusterName, json)).toEqual([fault]);
  });

  test('refuses times that are none', () => {
    const json = { envoy_metrics: [{ metric: [{ counter: { created_timestamp: '2026-13-31T12:00:00Z' } }] }] };
    expect(faults(histogramName, json)).toEqual([
      'envoy_metrics[0].metric[0].counter.created_timestamp: must be a time such as "2026-01-31T12:00:00Z", got "2026-13-31T12:00:00Z"',
    ]);
  });

  test('refuses what is nested without end', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    const [fault] = faults('google.protobuf.Struct', { loop });
    expect(fault).toMatch(/must not be nested deeper than 90 levels$/);
  });

  test.each([
    ['as a field', clusterName, '{"__proto__": {"polluted": true}}'],
    ['in free-form JSON', 'google.protobuf.Struct', '{"a": {"__proto__": {"polluted": true}}}'],
    ['as a key of a map', 'envoy.config.core.v3.Node', '{"dynamic_parameters": {"__proto__": {}}}'],
  ] as const)('refuses __proto__ %s', (_where, name, text) => {
    expect(readJson(name, JSON.parse(text)).errors).toHaveLength(1);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('encoding', () => {
  test('throws, naming the field, when a value breaks what its type cannot say', () => {
    expect(() => encode(clusterName, { connect_timeout: 'soon' })).toThrow(
      'envoy.config.cluster.v3.Cluster:\nconnect_timeout: must be a duration such as "0.25s", got "soon"',
    );
  });

  test('gives equal bytes to both spellings of "not set"', () => {
    expect(encode(clusterName, { name: 'a', lb_policy: 'ROUND_ROBIN' })).toEqual(encode(clusterName, { name: 'a' }));
  });
});

describe('bytes from a peer', () => {
  const codecOf = (name: string) => messageType(name).codec;

  test('that are no message are one fault', () => {
    const { errors } = decode(clusterName, Buffer.from('ffffffff', 'hex'));
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.message).toMatch(/^must be an encoded envoy.config.cluster.v3.Cluster: /);
  });

  test('that are broken inside an Any are a fault with its path', () => {
    const bytes = codecOf(clusterName)
      .encode({ transport_socket: { typed_config: { type_url: `x/${clusterName}`, value: Buffer.from([0xff]) } } })
      .finish();
    expect(decode(clusterName, bytes).errors?.[0]?.path).toBe('transport_socket.typed_config');
  });

  test('with an unknown enum number, an unknown type or a time out of range are faults', () => {
    const bytes = codecOf(clusterName)
      .encode({
        lb_policy: 99,
        connect_timeout: { seconds: 1, nanos: -1 },
        transport_socket: { typed_config: { type_url: 'x/y.Z' } },
      })
      .finish();
    const { errors } = decode(clusterName, bytes);
    expect(formatFieldErrors(errors ?? [])).toBe(
      [
        'connect_timeout: must be in range, got 1 s and -1 ns',
        'lb_policy: must be a known LbPolicy, got 99',
        'transport_socket.typed_config.@type: "x/y.Z" is not a supported type',
      ].join('\n'),
    );
  });

  test('with the map key __proto__ are a fault and change no prototype', () => {
    // fields { key: "__proto__" value { bool_value: true } }
    const bytes = Buffer.from('0a0f0a095f5f70726f746f5f5f12022001', 'hex');
    expect(decode('google.protobuf.Struct', bytes).errors).toEqual([
      { path: '', message: 'must not have the key "__proto__"' },
    ]);
  });

  test('with an empty JSON value are a fault', () => {
    expect(decode('envoy.config.core.v3.Node', Buffer.from('1a050a030a0161', 'hex'))).toMatchObject({
      errors: [{ path: 'metadata.a', message: 'must be a JSON value' }],
    });
  });

  test('nested without end are a fault', () => {
    let bytes = Buffer.alloc(0);
    for (let i = 0; i < 1000; i += 1) {
      // list_value { values { … } }
      const inner = Buffer.concat([Buffer.from([0x0a, ...varint(bytes.length)]), bytes]);
      bytes = Buffer.concat([Buffer.from([0x32, ...varint(inner.length)]), inner]);
    }
    const entry = Buffer.concat([Buffer.from([0x0a, 1, 0x61, 0x12, ...varint(bytes.length)]), bytes]);
    const struct = Buffer.concat([Buffer.from([0x0a, ...varint(entry.length)]), entry]);
    expect(decode('google.protobuf.Struct', struct).errors?.[0]?.message).toContain('nesting depth');
  });
});

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
