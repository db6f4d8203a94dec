import { describe, expect, test } from 'vitest';
import type { Http2ProtocolOptions, KeepaliveSettings } from '../../../proxy/api/envoy.gen.ts';
import { decodeFields } from '../../../proxy/api/fields.ts';
import { defaultHttp2Options } from '../../../proxy/api/http2-options.ts';
import { readHttp2Options } from '../../../proxy/api/http2-options-decoder.ts';
import { formatFieldErrors } from '../../../proxy/common/decoded.ts';

const decode = (json: Http2ProtocolOptions) => decodeFields(json, 'http2', readHttp2Options);
const faults = (json: Http2ProtocolOptions): string[] =>
  formatFieldErrors(decode(json).errors ?? [])
    .split('\n')
    .sort();
const keepalive = (connection_keepalive: KeepaliveSettings): Http2ProtocolOptions => ({ connection_keepalive });

describe('options of HTTP/2', () => {
  test('have defaults where nothing is said, and where nothing is set', () => {
    expect(readHttp2Options(undefined)).toBe(defaultHttp2Options);
    expect(decode({}).value).toEqual(defaultHttp2Options);
  });

  test('limit streams and windows', () => {
    const json = {
      max_concurrent_streams: 100,
      initial_stream_window_size: 65_536,
      initial_connection_window_size: 2_000_000,
    };
    expect(decode(json).value).toEqual({
      maxConcurrentStreams: 100,
      initialStreamWindowBytes: 65_536,
      initialConnectionWindowBytes: 2_000_000,
      keepalive: undefined,
    });
  });

  test('may have peers probed', () => {
    const settings = { interval: '30s', timeout: '0.5s' };
    expect(decode(keepalive(settings)).value?.keepalive).toEqual({ intervalMs: 30_000, timeoutMs: 500 });
  });

  test('without an interval have nobody probed, as in Envoy', () => {
    expect(decode(keepalive({ timeout: '5s' })).value?.keepalive).toBeUndefined();
  });

  test('may say what is done anyway', () => {
    const json: Http2ProtocolOptions = {
      hpack_table_size: 4_096,
      allow_connect: false,
      override_stream_error_on_invalid_http_message: false,
      use_oghttp2_codec: true,
    };
    expect(decode(json).value).toEqual(defaultHttp2Options);
  });

  test.each<[string, Http2ProtocolOptions, string[]]>([
    [
      'no stream at all',
      { max_concurrent_streams: 0 },
      ['http2.max_concurrent_streams: must be from 1 to 2147483647, got 0'],
    ],
    [
      'windows smaller than those of the protocol',
      { initial_stream_window_size: 65_534, initial_connection_window_size: 0 },
      [
        'http2.initial_connection_window_size: must be from 65535 to 2147483647, got 0',
        'http2.initial_stream_window_size: must be from 65535 to 2147483647, got 65534',
      ],
    ],
    [
      'a window larger than the protocol has',
      { initial_stream_window_size: 2 ** 31 },
      ['http2.initial_stream_window_size: must be from 65535 to 2147483647, got 2147483648'],
    ],
    [
      'limits that cannot be changed',
      { hpack_table_size: 0, max_outbound_frames: 9 },
      ['http2.hpack_table_size: 0 is not supported, only 4096 is', 'http2.max_outbound_frames: is not supported'],
    ],
    [
      'what nobody does',
      { allow_connect: true, custom_settings_parameters: [{ identifier: 1, value: 2 }] },
      [
        'http2.allow_connect: true is not supported, only false is',
        'http2.custom_settings_parameters: is not supported',
      ],
    ],
    [
      'probes that nobody waits for',
      keepalive({ interval: '1s' }),
      ['http2.connection_keepalive.timeout: must be set'],
    ],
    [
      'times that are none',
      keepalive({ interval: '0s', timeout: '-1s' }),
      [
        'http2.connection_keepalive.interval: must be at least 0.001s',
        'http2.connection_keepalive.timeout: must not be negative, got "-1s"',
      ],
    ],
    [
      'probes at other times',
      keepalive({ interval: '1s', timeout: '1s', interval_jitter: { value: 10 }, connection_idle_interval: '1s' }),
      [
        'http2.connection_keepalive.connection_idle_interval: is not supported',
        'http2.connection_keepalive.interval_jitter: is not supported',
      ],
    ],
  ])('with %s are refused', (_what, json, expected) => {
    expect(faults(json)).toEqual(expected);
  });
});
