import { describe, expect, test } from 'vitest';
import { inboundRetryPolicy } from '../../../pilot/networking/retry-policy.ts';
import type { HttpConnectionManager, Listener } from '../../../proxy/api/envoy.gen.ts';
import {
  buildInboundListener,
  buildInboundRoutes,
  buildOutboundListener,
} from '../../../pilot/networking/listeners.ts';

const managerOf = ({ filter_chains = [] }: Listener): HttpConnectionManager =>
  (filter_chains[0]?.filters?.[0]?.typed_config ?? {}) as HttpConnectionManager;

describe('listeners', () => {
  test('the outbound listener is on loopback and takes its routes from RDS', () => {
    const listener = buildOutboundListener({ outboundPort: 15001 });
    expect(listener.name).toBe('virtualOutbound');
    expect(listener.traffic_direction).toBe('OUTBOUND');
    expect(listener.address?.socket_address).toEqual({ address: '127.0.0.1', port_value: 15001 });
    expect(managerOf(listener).rds).toEqual({
      config_source: { ads: {}, resource_api_version: 'V3' },
      route_config_name: 'http_proxy',
    });
  });

  test('the inbound listener sends everything to the application and keeps the metadata of the peer from it', () => {
    const listener = buildInboundListener({ address: '10.0.0.1', inboundPort: 15006, appPort: 8080 });
    expect(listener.name).toBe('virtualInbound');
    expect(listener.traffic_direction).toBe('INBOUND');
    expect(listener.address?.socket_address).toEqual({ address: '10.0.0.1', port_value: 15006 });
    expect(managerOf(listener).rds?.route_config_name).toBe('inbound|8080||');
    expect(buildInboundRoutes({ appPort: 8080 }, false)).toEqual({
      name: 'inbound|8080||',
      virtual_hosts: [
        {
          name: 'inbound|http|8080',
          domains: ['*'],
          routes: [
            {
              name: 'default',
              match: { prefix: '/' },
              route: { cluster: 'inbound|8080||', timeout: '0s', retry_policy: inboundRetryPolicy },
            },
          ],
        },
      ],
      request_headers_to_remove: ['x-envoy-peer-metadata'],
    });
  });

  test('streams may idle, heads must arrive, and the router is the last filter', () => {
    const manager = managerOf(buildOutboundListener({ outboundPort: 15001 }));
    expect(manager.stream_idle_timeout).toBe('0s');
    expect(manager.request_headers_timeout).toBe('10s');
    expect(manager.http_filters?.map(({ name }) => name).at(-1)).toBe('envoy.filters.http.router');
  });
});
