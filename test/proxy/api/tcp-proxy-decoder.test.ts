import { describe, expect, test } from 'vitest';
import type { TcpProxy_TunnelingConfig as TunnelingConfig } from '../../../proxy/api/envoy.gen.ts';
import { decodeFields } from '../../../proxy/api/fields.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { readTcpProxy } from '../../../proxy/api/tcp-proxy-decoder.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';

function decode(tunneling_config: TunnelingConfig) {
  const name = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
  const json = requireValue(readJson(name, { stat_prefix: 'tcp', cluster: 'a', tunneling_config }), 'sample');
  return decodeFields(json, '', readTcpProxy);
}

describe('tunneling', () => {
  const hostname = 'a.example.com:443';

  test('is by CONNECT, or by POST to / unless another path is given', () => {
    const tunnelingOf = (config: TunnelingConfig) => requireValue(decode(config), 'tcp').tunneling;
    expect(tunnelingOf({ hostname })).toEqual({ hostname, usesPost: false, postPath: '/' });
    expect(tunnelingOf({ hostname, use_post: true })).toEqual({ hostname, usesPost: true, postPath: '/' });
    expect(tunnelingOf({ hostname, use_post: true, post_path: '/b?c' })?.postPath).toBe('/b?c');
  });

  test.each<[string, TunnelingConfig, RegExp]>([
    ['no target', {}, /tunneling_config\.hostname: must/],
    [
      'a target that is filled in',
      { hostname: '%REQUESTED_SERVER_NAME%:443' },
      /hostname: must be host:port in .*%, got/,
    ],
    ['a target of two lines', { hostname: 'a:1\r\nb: c' }, /hostname: must be host:port/],
    ['a target with a space', { hostname: 'a :1' }, /hostname: must be host:port/],
    ['a path without POST', { hostname, post_path: '/' }, /post_path: must not be set without use_post/],
    ['a path of two lines', { hostname, use_post: true, post_path: '/\r\n' }, /post_path: must be a path/],
    ['headers', { hostname, headers_to_add: [{}] }, /headers_to_add: is not supported/],
    ['the answer in the log', { hostname, propagate_response_headers: true }, /propagate_response_headers: is not/],
  ])('is refused with %s', (_, config, fault) => {
    expect(formatFieldErrors(decode(config).errors ?? [])).toMatch(fault);
  });
});
