import { describe, expect, test } from 'vitest';
import type { DnsFilterConfig, Listener } from '../../../proxy/api/envoy.gen.ts';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import { formatFieldErrors } from '../../../proxy/common/decoded.ts';
import { dnsListener, forwardTo } from '../../support/dns-json.ts';

type Table = NonNullable<NonNullable<DnsFilterConfig['server_config']>['inline_dns_table']>;
type Domain = NonNullable<Table['virtual_domains']>[number];

function withFilter(change: Partial<DnsFilterConfig>): Listener {
  const listener = dnsListener({ names: { reviews: ['192.0.2.1'] } });
  const [filter = {}] = listener.listener_filters ?? [];
  const typed_config = { ...filter.typed_config, ...change } as typeof filter.typed_config;
  return { ...listener, listener_filters: [{ ...filter, ...(typed_config && { typed_config }) }] };
}

function withDomain(domain: Domain): Listener {
  return withFilter({ server_config: { inline_dns_table: { virtual_domains: [domain] } } });
}

/** With paths that start at the filter where there is one. */
function faults(json: Listener): string {
  const path = 'listener_filters[0].typed_config.server_config.inline_dns_table.virtual_domains[0]';
  return formatFieldErrors(decodeListener(json).errors ?? [])
    .replaceAll(path, 'domain')
    .replaceAll('listener_filters[0].typed_config', 'filter');
}

const endpoint = { address_list: { address: ['192.0.2.1'] } };

describe('a DNS filter', () => {
  test('is decoded with the defaults of Envoy', () => {
    const client = { max_pending_lookups: 9 };
    const json = dnsListener({ names: { 'Reviews.Example.COM.': ['192.0.2.1', '2001:db8::1'] }, client });
    expect(decodeListener(json).value).toMatchObject({
      filterChains: [],
      trafficDirection: 'OUTBOUND',
      dnsFilter: {
        statPrefix: 'dns',
        virtualDomains: [{ name: 'reviews.example.com', addresses: ['192.0.2.1', '2001:db8::1'], ttlSeconds: 30 }],
        forwarding: { resolvers: [], timeoutMs: 500, retries: 0, maxPendingLookups: 9 },
      },
    });
    expect(decodeListener(withDomain({ name: 'a', endpoint })).value?.dnsFilter?.virtualDomains[0]?.ttlSeconds).toBe(
      300,
    );
  });

  test('names its resolvers and how long and how often they are asked', () => {
    const json = dnsListener({ names: {}, retries: 3, client: forwardTo(5353) });
    expect(decodeListener(json).value?.dnsFilter?.forwarding).toEqual({
      resolvers: [{ address: '127.0.0.1', port: 5353 }],
      timeoutMs: 1_000,
      retries: 3,
      maxPendingLookups: 256,
    });
  });

  test.each<[string, Listener, string]>([
    [
      'whose listener has filter chains as well',
      { ...dnsListener({}), filter_chains: [{}] },
      'filter_chains: is not supported',
    ],
    [
      'beside another one',
      {
        ...dnsListener({}),
        listener_filters: [...(dnsListener({}).listener_filters ?? []), ...(dnsListener({}).listener_filters ?? [])],
      },
      'listener_filters: must be one filter of UDP, the DNS filter, got 2',
    ],
    [
      'without a socket',
      { ...dnsListener({ port: 53 }), bind_to_port: false },
      'bind_to_port: false is not supported, only true is',
    ],
    [
      'of QUIC',
      { ...dnsListener({}), udp_listener_config: { quic_options: {} } },
      'udp_listener_config.quic_options: is not supported',
    ],
    ['without stat_prefix', withFilter({ stat_prefix: '' }), 'filter.stat_prefix: must be set'],
    [
      'with a table in a file',
      withFilter({ server_config: { external_dns_table: { filename: 'x' } } }),
      'filter.server_config.inline_dns_table: must be set\nfilter.server_config.external_dns_table: is not supported',
    ],
    [
      'of no name',
      withDomain({ name: 'a b', endpoint }),
      'domain.name: must be a host name, or one under "*.", got "a b"',
    ],
    [
      'with a wildcard inside',
      withDomain({ name: 'a.*.b', endpoint }),
      'domain.name: must be a host name, or one under "*.", got "a.*.b"',
    ],
    [
      'without addresses',
      withDomain({ name: 'a', endpoint: { address_list: {} } }),
      'domain.endpoint.address_list.address: must have at least one address',
    ],
    [
      'with a name for an address',
      withDomain({ name: 'a', endpoint: { address_list: { address: ['example.com'] } } }),
      'domain.endpoint.address_list.address: must be IP addresses, got "example.com"',
    ],
    [
      'that stands for a cluster',
      withDomain({ name: 'a', endpoint: { cluster_name: 'x' } }),
      'domain.endpoint.address_list: must be set\ndomain.endpoint.cluster_name: is not supported',
    ],
    [
      'with answers for a second',
      withDomain({ name: 'a', endpoint, answer_ttl: '1s' }),
      'domain.answer_ttl: must be from 30s to 2147483647s, got "1s"',
    ],
    [
      'with a name twice',
      withFilter({
        server_config: {
          inline_dns_table: {
            virtual_domains: [
              { name: 'a', endpoint },
              { name: 'A.', endpoint },
            ],
          },
        },
      }),
      'filter.server_config.inline_dns_table.virtual_domains: must have each name once, got "a" again',
    ],
    [
      'that forwards nothing',
      withFilter({ client_config: {} }),
      'filter.client_config.max_pending_lookups: must be from 1 to 9007199254740991, got 0',
    ],
    [
      'with too little time',
      withFilter({ client_config: { max_pending_lookups: 1, resolver_timeout: '0.5s' } }),
      'filter.client_config.resolver_timeout: must be at least 1s, got 500 ms',
    ],
  ])('%s is refused', (_what, json, expected) => {
    expect(faults(json)).toBe(expected);
  });
});
