import { describe, expect, test } from 'vitest';
import type { HttpConnectionManager, Listener, OriginalSrc } from '../../../proxy/api/envoy.gen.ts';
import { matchesEverything } from '../../../proxy/api/filter-chain-match-decoder.ts';
import { httpConnectionManagersOf } from '../../../proxy/api/listener.ts';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { ads, listenerJson, rdsListenerJson, routeConfigurationJson, typed } from './samples.ts';

const fileAccessLog = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';
const stdoutAccessLog = 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog';
const originalSourceType = 'type.googleapis.com/envoy.extensions.filters.listener.original_src.v3.OriginalSrc';
const routerName = 'envoy.extensions.filters.http.router.v3.Router';

function decode(json: Listener) {
  return decodeListener(requireValue(readJson('envoy.config.listener.v3.Listener', json), 'sample'));
}

const withManager = (manager: HttpConnectionManager) =>
  listenerJson('l', { route_config: routeConfigurationJson('r'), ...manager });

function decodedManager(manager: HttpConnectionManager) {
  const { value, errors } = decode(withManager(manager));
  if (value === undefined) throw new Error(formatFieldErrors(errors));
  return httpConnectionManagersOf(value)[0];
}

/** With paths that start at the HTTP connection manager where there is one. */
function faults(json: Listener): string[] {
  return formatFieldErrors(decode(json).errors ?? [])
    .replaceAll('filter_chains[0].filters[0].typed_config', 'hcm')
    .split('\n');
}

describe('a listener', () => {
  test('has the defaults of Envoy', () => {
    const { value } = decode(rdsListenerJson('outbound', 'routes'));
    expect(value).toEqual({
      name: 'outbound',
      address: '127.0.0.1',
      port: 0,
      additionalAddresses: [],
      bindsToPort: true,
      usesOriginalDestination: false,
      isTransparent: false,
      trafficDirection: 'UNSPECIFIED',
      inspection: {
        originalDestination: false,
        tls: undefined,
        http: undefined,
        timeoutMs: 15_000,
        continuesOnTimeout: false,
      },
      accessLogs: [],
      defaultFilterChain: undefined,
      filterChains: [
        {
          name: '',
          match: matchesEverything,
          tls: undefined,
          checks: [],
          filter: {
            kind: 'http_connection_manager',
            config: {
              statPrefix: 'test',
              codecType: 'AUTO',
              http2: {
                maxConcurrentStreams: 1_024,
                initialStreamWindowBytes: 262_144,
                initialConnectionWindowBytes: 1_048_576,
                keepalive: undefined,
              },
              routes: { kind: 'rds', routeConfigName: 'routes' },
              httpFilters: [{ name: 'envoy.filters.http.router', kind: 'router' }],
              accessLogs: [],
              normalizesPath: false,
              mergesSlashes: false,
              escapedSlashes: 'KEEP_UNCHANGED',
              underscoresInHeaders: 'ALLOW',
              origin: {
                usesRemoteAddress: false,
                xffNumTrustedHops: 0,
                internalAddresses: [],
                preservesExternalRequestId: false,
              },
              clientCert: { mode: 'SANITIZE', tells: { subject: false, cert: false, dns: false, uri: false } },
              generateRequestId: true,
              maxRequestHeadersBytes: 61_440,
              maxHeadersCount: 100,
              requestHeadersTimeoutMs: 0,
              requestTimeoutMs: 0,
              streamIdleTimeoutMs: 300_000,
              upgradeConfigs: new Map(),
              idleTimeoutMs: 3_600_000,
            },
          },
        },
      ],
    });
  });

  test('without a name is known by its address', () => {
    expect(decode({ ...rdsListenerJson('', 'r'), traffic_direction: 'INBOUND' }).value).toMatchObject({
      name: '127.0.0.1_0',
      trafficDirection: 'INBOUND',
    });
  });

  test('may have additional addresses', () => {
    const socket_address = { address: '::', port_value: 15_001 };
    const json = { ...rdsListenerJson('l', 'r'), additional_addresses: [{ address: { socket_address } }] };
    expect(decode(json).value).toMatchObject({
      address: '127.0.0.1',
      additionalAddresses: [{ address: '::', port: 15_001 }],
    });
  });

  test('may send on in the name of the client, on sockets with a mark', () => {
    const decodeSource = (source: OriginalSrc) => {
      const typed_config = { '@type': originalSourceType, ...source };
      const listener_filters = [{ name: 'original_src', typed_config }];
      return decode({ ...rdsListenerJson('l', 'r'), listener_filters });
    };
    expect(decodeSource({ mark: 1337 }).value?.originalSource).toEqual({ mark: 1337 });
    expect(decodeSource({}).value?.originalSource).toEqual({ mark: 0 });
    expect(decode(rdsListenerJson('l', 'r')).value?.originalSource).toBeUndefined();
    expect(decodeSource({ bind_port: true }).errors?.map(({ path }) => path)).toEqual([
      'listener_filters[0].typed_config.bind_port',
    ]);
  });

  test('may say what is done anyway', () => {
    const json = rdsListenerJson('l', 'r');
    const [chain = {}] = json.filter_chains ?? [];
    const harmless = {
      stat_prefix: 'x',
      enable_reuse_port: true,
      bind_to_port: true,
      use_original_dst: false,
      metadata: {},
    };
    expect(
      decode({ ...json, ...harmless, filter_chains: [{ ...chain, filter_chain_match: {} }] }).errors,
    ).toBeUndefined();
  });

  const valid = rdsListenerJson('l', 'r');
  test.each<[string, Listener, string[]]>([
    ['without an address', { ...valid, address: {} }, ['address.socket_address: must be set']],
    [
      'on a pipe',
      { ...valid, address: { pipe: { path: '/x' } } },
      ['address.socket_address: must be set', 'address.pipe: is not supported'],
    ],
    [
      'on UDP',
      { ...valid, address: { socket_address: { protocol: 'UDP', address: '::', port_value: 1 } } },
      ['listener_filters: must be one filter of UDP, the DNS filter, got 0', 'filter_chains: is not supported'],
    ],
    [
      'at an IPv6 address that takes IPv4 too',
      { ...valid, address: { socket_address: { address: '::', ipv4_compat: true, port_value: 1 } } },
      ['address.socket_address.ipv4_compat: is not supported'],
    ],
    [
      'with an additional address that is none, or has options of its own',
      {
        ...valid,
        additional_addresses: [
          { address: { socket_address: { address: 'localhost', port_value: 1 } } },
          { address: { socket_address: { address: '::', port_value: 1 } }, socket_options: {} },
        ],
      },
      [
        'additional_addresses[0].address.socket_address.address: must be an IP address, got "localhost"',
        'additional_addresses[1].socket_options: is not supported',
      ],
    ],
    ['with no filter chain', { ...valid, filter_chains: [] }, ['filter_chains: must have at least one filter chain']],
    [
      'with no filter',
      { ...valid, filter_chains: [{}] },
      [
        'filter_chains[0].filters: must be one filter, the HTTP connection manager or the TCP proxy, with only RBAC filters in front, got 0',
      ],
    ],
    [
      'with a match that is no match',
      {
        ...valid,
        filter_chains: [
          {
            ...valid.filter_chains?.[0],
            filter_chain_match: {
              server_names: ['a.*'],
              prefix_ranges: [{ address_prefix: 'x', prefix_len: 33 }],
              transport_protocol: 'quic',
              address_suffix: 'a',
            },
          },
        ],
      },
      [
        'filter_chains[0].filter_chain_match.transport_protocol: must be tls or raw_buffer, got "quic"',
        'filter_chains[0].filter_chain_match.prefix_ranges[0].address_prefix: must be an IP address, got "x"',
        'filter_chains[0].filter_chain_match.prefix_ranges[0].prefix_len: must be from 0 to 32, got 33',
        'filter_chains[0].filter_chain_match.server_names: must be names or "*." and a name, got "a.*"',
        'filter_chains[0].filter_chain_match.address_suffix: is not supported',
      ],
    ],
    [
      'with another network filter',
      { ...valid, filter_chains: [{ filters: [{ name: 'x', typed_config: typed(routerName) }] }] },
      [
        `hcm: ${routerName} is not supported here, only envoy.extensions.filters.network.rbac.v3.RBAC, envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
      ],
    ],
    [
      'that neither listens nor stands for a port',
      { ...valid, bind_to_port: false },
      ['address.socket_address.port_value: must be from 1 to 65535, got 0'],
    ],
    [
      'with a listener filter without a type',
      { ...valid, listener_filters: [{ name: 'x' }] },
      ['listener_filters[0].typed_config: must be set'],
    ],
    [
      'with a filter that looks at addresses only at some ports',
      {
        ...valid,
        listener_filters: [
          { name: 'x', typed_config: { '@type': originalSourceType }, filter_disabled: { any_match: true } },
        ],
      },
      ['listener_filters[0].filter_disabled: is supported for tls_inspector and http_inspector only'],
    ],
  ])('%s is refused', (_what, json, expected) => {
    expect(faults(json)).toEqual(expected);
  });
});

describe('an HTTP connection manager', () => {
  test('reads its limits and timeouts', () => {
    expect(
      decodedManager({
        max_request_headers_kb: 8,
        request_headers_timeout: '5s',
        request_timeout: '90s',
        stream_idle_timeout: '0s',
        generate_request_id: false,
        normalize_path: true,
        merge_slashes: true,
        common_http_protocol_options: { idle_timeout: '60s', max_headers_count: 50 },
      }),
    ).toMatchObject({
      maxRequestHeadersBytes: 8192,
      requestHeadersTimeoutMs: 5_000,
      requestTimeoutMs: 90_000,
      streamIdleTimeoutMs: 0,
      normalizesPath: true,
      mergesSlashes: true,
      generateRequestId: false,
      idleTimeoutMs: 60_000,
      maxHeadersCount: 50,
    });
  });

  test('may be for one version of HTTP, and says how HTTP/2 is spoken with its clients', () => {
    const http2_protocol_options = { max_concurrent_streams: 100, initial_stream_window_size: 65_536 };
    expect(decodedManager({ codec_type: 'HTTP1' })?.codecType).toBe('HTTP1');
    expect(decodedManager({ codec_type: 'HTTP2', http2_protocol_options })).toMatchObject({
      codecType: 'HTTP2',
      http2: { maxConcurrentStreams: 100, initialStreamWindowBytes: 65_536, initialConnectionWindowBytes: 1_048_576 },
    });
  });

  test('writes its access log to files or stdout', () => {
    const access_log = [
      { name: 'a', typed_config: typed(stdoutAccessLog) },
      { name: 'b', typed_config: typed(fileAccessLog, { path: '/dev/stdout' }) },
      { name: 'c', typed_config: typed(fileAccessLog, { path: '/var/log/access.log' }) },
    ];
    expect(decodedManager({ access_log })?.accessLogs).toMatchObject([
      { sink: { kind: 'stdout' } },
      { sink: { kind: 'stdout' } },
      { sink: { kind: 'file', path: '/var/log/access.log' } },
    ]);
  });

  test('may say what is done anyway', () => {
    const manager: HttpConnectionManager = {
      codec_type: 'HTTP1',
      use_remote_address: false,
      normalize_path: false,
      path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
      preserve_external_request_id: true,
      http_protocol_options: { allow_absolute_url: true },
      http_filters: [{ name: 'r', typed_config: typed(routerName, { dynamic_stats: false, start_child_span: false }) }],
    };
    expect(faults(withManager(manager))).toEqual(['']);
  });

  const log = (fields: object) => [{ name: 'a', typed_config: typed(stdoutAccessLog, fields) }];
  test.each<[string, HttpConnectionManager, string[]]>([
    ['without a stat prefix', { stat_prefix: '' }, ['hcm.stat_prefix: must be set']],
    ['for HTTP/3', { codec_type: 'HTTP3' }, ['hcm.codec_type: "HTTP3" is not supported, only AUTO, HTTP1, HTTP2']],
    ['without filters', { http_filters: [] }, ['hcm.http_filters: must have the router as its last filter only']],
    [
      'with a filter that has no type',
      { http_filters: [{ name: 'envoy.filters.http.router' }] },
      ['hcm.http_filters[0].typed_config: must be set'],
    ],
    [
      'with a router that does more',
      { http_filters: [{ name: 'r', typed_config: typed(routerName, { suppress_envoy_headers: true }) }] },
      ['hcm.http_filters[0].typed_config.suppress_envoy_headers: is not supported'],
    ],
    [
      'with two routers',
      { http_filters: [1, 2].map(() => ({ name: 'r', typed_config: typed(routerName) })) },
      ['hcm.http_filters: must have the router as its last filter only'],
    ],
    [
      'with a log format in the deprecated field',
      { access_log: log({ log_format: { text_format: 'x' } }) },
      [
        'hcm.access_log[0].typed_config.log_format.text_format: is not supported',
        'hcm.access_log[0].typed_config.log_format: must have one of json_format and text_format_source',
      ],
    ],
    [
      'with a log format that names an unknown variable',
      { access_log: log({ log_format: { text_format_source: { inline_string: '%NOBODY%' } } }) },
      [
        'hcm.access_log[0].typed_config.log_format.text_format_source.inline_string: has the variable %NOBODY%, which is not supported',
      ],
    ],
    [
      'with a JSON log format that holds what is no format string',
      { access_log: log({ log_format: { json_format: { a: { b: '%NOBODY%' }, c: [5, true, null, ['%']] } } }) },
      [
        'hcm.access_log[0].typed_config.log_format.json_format: a.b: has the variable %NOBODY%, which is not supported',
        'hcm.access_log[0].typed_config.log_format.json_format: c[3][0]: has a "%" that begins no variable; a percent sign is "%%"',
      ],
    ],
    [
      'with what would change behaviour',
      {
        server_name: 'x',
        tracing: {},
        skip_xff_append: true,
        set_current_client_cert_details: { chain: true },
        upgrade_configs: [{ upgrade_type: 'CONNECT' }],
      },
      [
        'hcm.skip_xff_append: true is not supported, only false is',
        'hcm.tracing.provider: must be set',
        'hcm.server_name: is not supported',
        'hcm.set_current_client_cert_details.chain: true is not supported, only false is',
        'hcm.upgrade_configs[0].upgrade_type: CONNECT is not supported',
      ],
    ],
  ])('%s is refused', (_what, manager, expected) => {
    expect(faults(withManager(manager)).sort()).toEqual(expected.sort());
  });

  test('at the edge of a mesh says whom it trusts, and what it does not let in', () => {
    const manager: HttpConnectionManager = {
      use_remote_address: true,
      xff_num_trusted_hops: 1,
      internal_address_config: { unix_sockets: false, cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
      preserve_external_request_id: true,
      path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
      common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
    };
    const { value } = decode(withManager(manager));
    expect(value && httpConnectionManagersOf(value)[0]).toMatchObject({
      escapedSlashes: 'UNESCAPE_AND_REDIRECT',
      underscoresInHeaders: 'REJECT_REQUEST',
      origin: {
        usesRemoteAddress: true,
        xffNumTrustedHops: 1,
        internalAddresses: [{ address: '10.0.0.0', prefixLength: 8 }],
        preservesExternalRequestId: true,
      },
    });
  });

  test('without routes is refused, and so is RDS from somewhere else', () => {
    expect(faults(listenerJson('l', {}))).toEqual(['hcm: must have one of rds and route_config']);
    const rds = { config_source: { ...ads, resource_api_version: 'V2' as const }, route_config_name: '' };
    expect(faults(listenerJson('l', { rds }))).toEqual([
      'hcm.rds.config_source.resource_api_version: "V2" is not supported, only V3, AUTO',
      'hcm.rds.route_config_name: must be set',
    ]);
  });

  test('reports faults of its routes with their whole path', () => {
    expect(faults(listenerJson('l', { route_config: { virtual_hosts: [{ name: 'a' }] } }))).toEqual([
      'hcm.route_config.virtual_hosts[0].domains: must name at least one domain',
    ]);
  });
});

describe('upgrades', () => {
  test('are allowed by their name in any case, unless they are switched off', () => {
    const upgrade_configs = [{ upgrade_type: 'WebSocket' }, { upgrade_type: 'irc', enabled: false }];
    expect(decodedManager({ upgrade_configs })?.upgradeConfigs).toEqual(
      new Map([
        ['websocket', true],
        ['irc', false],
      ]),
    );
  });

  test('with filters of their own, twice or without a name are refused', () => {
    const filters = [{ name: 'envoy.filters.http.router' }];
    const upgrade_configs = [{ upgrade_type: 'a', filters }, { upgrade_type: 'A' }, {}];
    expect(faults(withManager({ upgrade_configs }))).toEqual([
      'hcm.upgrade_configs[1].upgrade_type: must be unique, got a twice',
      'hcm.upgrade_configs[2].upgrade_type: must be set',
      'hcm.upgrade_configs[0].filters: is not supported',
    ]);
  });
});
