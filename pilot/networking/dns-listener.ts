/**
 * The DNS listener of a sidecar: which names its application may call services by, and their addresses. Everything else goes
 * to the resolvers that the sidecar's host has.
 */
import { isIpAddress } from '../../crds/names.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { DnsFilterConfig, Listener } from '../../proxy/api/envoy.gen.ts';
import { addressesOf, type AddressedWorkloads, type PushConfig } from '../model/push-context.ts';
import { isHeadless, type Service } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
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

/** `workloads`: of services that have no other address. */
export function buildDnsListener(
  config: PushConfig,
  workloads: AddressedWorkloads,
  interception: DnsInterception,
): Listener {
  const { dnsPort } = interception;
  const filter: DnsFilterConfig = {
    stat_prefix: 'dns',
    server_config: {
      inline_dns_table: {
        external_retry_count: resolving.retries,
        virtual_domains: buildVirtualDomains(config, workloads, interception),
      },
    },
    client_config: { resolver_timeout: resolving.timeout, max_pending_lookups: maxPendingLookups },
  };
  const typed_config = { '@type': typeUrlOf('envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig'), ...filter };
  return {
    name: 'virtualDns',
    // For the application alone: whoever else asks is nobody's business here.
    ...atLoopback(dnsPort),
    traffic_direction: 'OUTBOUND',
    udp_listener_config: {},
    listener_filters: [{ name: 'envoy.filters.udp.dns_filter', typed_config }],
  };
}

/** The firewall leads queries that were made over IPv6 to the loopback address of that family. */
function atLoopback(port_value: number): Pick<Listener, 'address' | 'additional_addresses'> {
  const at = (address: string) => ({ address: { socket_address: { protocol: 'UDP', address, port_value } } }) as const;
  return { ...at('127.0.0.1'), additional_addresses: [at('::1')] };
}

interface Answer {
  /** Lower case; may begin with `*.`. */
  readonly name: string;
  /** Other ways to write it. */
  readonly spellings: readonly string[];
  readonly addresses: readonly string[];
}

/** A name that somebody declared counts more than one that follows from another's. */
function buildVirtualDomains(
  config: PushConfig,
  workloads: AddressedWorkloads,
  interception: DnsInterception,
): VirtualDomains {
  const services = config.services.visibleTo(interception.namespace).all.filter(isResolvable);
  const answers = services.flatMap((service): Answer[] => {
    const name = service.hostname;
    const spellings = spellingsOf(name, interception.namespace);
    if (isHeadless(service)) return workloadAnswers({ name, spellings }, workloads.get(name) ?? []);
    return [{ name, spellings, addresses: resolvableAddresses(service, config, interception) }];
  });
  const found = answers.filter(({ addresses }) => addresses.length > 0);
  const byName = new Map(found.map(({ name, addresses }) => [name, addresses]));
  for (const { spellings, addresses } of found) {
    for (const name of spellings) {
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

/** Those that are ready: by the service's name all of them, and each by its own name below that, as in Kubernetes. */
function workloadAnswers(service: Omit<Answer, 'addresses'>, workloads: readonly Workload[]): Answer[] {
  const reached = workloads.filter(({ address }) => isIpAddress(address));
  const named = service.name.startsWith('*') ? [] : reached.filter(({ name }) => dnsLabel.test(name));
  return [
    { ...service, addresses: [...new Set(reached.map(({ address }) => address))] },
    ...named.map(({ name, address }) => ({
      name: `${name}.${service.name}`,
      spellings: service.spellings.map((spelling) => `${name}.${spelling}`),
      addresses: [address],
    })),
  ];
}

/** What can stand between two dots of a name (RFC 1035 section 2.3.1, and digits). */
const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Addresses are never asked for, and a wildcard for everything would leave nothing to others. */
function isResolvable({ hostname }: Service): boolean {
  return !isIpAddress(hostname) && (!hostname.startsWith('*') || hostname.startsWith('*.'));
}

/** A service without any is left to the resolvers. A block is no answer. */
function resolvableAddresses(service: Service, config: PushConfig, { isIntercepted }: DnsInterception): string[] {
  const addresses = isIntercepted ? addressesOf(service, config) : (service.addresses ?? []);
  return addresses.filter(isIpAddress);
}
