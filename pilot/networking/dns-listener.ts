/**
 * The DNS listener of a sidecar: which names its application may call services by, and their addresses. Everything else goes
 * to the resolvers that the sidecar's host has.
 */
import { isIpAddress } from '../../crds/names.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { DnsFilterConfig, Listener } from '../../proxy/api/envoy.gen.ts';
import { addressesOf, type PushConfig } from '../model/push-context.ts';
import type { Service } from '../model/service.ts';
import { spellingsOf } from './domains.ts';

export interface DnsInterception {
  readonly dnsPort: number;
  readonly namespace: string;
  /** Only who intercepts connections can take them to addresses that no host has. */
  readonly isIntercepted: boolean;
}

type VirtualDomains = NonNullable<
  NonNullable<NonNullable<DnsFilterConfig['server_config']>['inline_dns_table']>['virtual_domains']
>;

/** Istio's, and the least that Envoy takes: a service that moves is found again soon. */
const answerTtl = '30s';
/** Two rounds end before resolvers give up on an answer, after 5 seconds (resolv.conf(5), `timeout`). */
const resolving = { timeout: '2s', retries: 1 };
const maxPendingLookups = 1_024;

export function buildDnsListener(config: PushConfig, interception: DnsInterception): Listener {
  const { dnsPort } = interception;
  const filter: DnsFilterConfig = {
    stat_prefix: 'dns',
    server_config: {
      inline_dns_table: {
        external_retry_count: resolving.retries,
        virtual_domains: buildVirtualDomains(config, interception),
      },
    },
    client_config: { resolver_timeout: resolving.timeout, max_pending_lookups: maxPendingLookups },
  };
  const typed_config = { '@type': typeUrlOf('envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig'), ...filter };
  return {
    name: 'virtualDns',
    // For the application alone: whoever else asks is nobody's business here.
    address: { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: dnsPort } },
    traffic_direction: 'OUTBOUND',
    udp_listener_config: {},
    listener_filters: [{ name: 'envoy.filters.udp.dns_filter', typed_config }],
  };
}

/** A name that somebody declared counts more than one that follows from another's. */
function buildVirtualDomains(config: PushConfig, interception: DnsInterception): VirtualDomains {
  const services = config.services.visibleTo(interception.namespace).all;
  const found = services.flatMap((service) => {
    const addresses = resolvableAddresses(service, config, interception);
    return isResolvable(service) && addresses.length > 0 ? [{ service, addresses }] : [];
  });
  const byName = new Map(found.map(({ service, addresses }) => [service.hostname, addresses]));
  for (const { service, addresses } of found) {
    for (const name of spellingsOf(service.hostname, interception.namespace)) {
      // Resolvers ask without the dot of the root, and Envoy wants no name twice.
      if (!name.endsWith('.') && !byName.has(name)) byName.set(name, addresses);
    }
  }
  return [...byName].map(([name, addresses]) => ({
    name,
    endpoint: { address_list: { address: [...addresses] } },
    answer_ttl: answerTtl,
  }));
}

/** Addresses are never asked for, and a wildcard for everything would leave nothing to others. */
function isResolvable({ hostname }: Service): boolean {
  return !isIpAddress(hostname) && (!hostname.startsWith('*') || hostname.startsWith('*.'));
}

/** A service without any, one of no cluster address included, is left to the resolvers. A block is no answer. */
function resolvableAddresses(service: Service, config: PushConfig, { isIntercepted }: DnsInterception): string[] {
  const addresses = isIntercepted ? addressesOf(service, config) : (service.addresses ?? []);
  return addresses.filter(isIpAddress);
}
