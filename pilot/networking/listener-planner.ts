/** Which listeners intercepted connections need, and which connections each service takes of them. */
import type { Listener, envoy_config_listener_v3_Filter as Filter } from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import { addressesOf, type PushConfig } from '../model/push-context.ts';
import { allottedRange } from '../model/service-addresses.ts';
import { followsRequests, interceptedProtocol, type Service, type ServicePort } from '../model/service.ts';
import { adsConfigSource } from './config-source.ts';
import {
  besideHttp,
  ClaimedConnections,
  httpOnly,
  isMatchAll,
  soleAddressOf,
  toSubnets,
} from './filter-chain-match.ts';
import { buildHttpConnectionManager, connectionReports, type ListenerReports } from './http-connection-manager.ts';
import { buildL4Chains, type L4Chain } from './l4-routes.ts';
import { anyAddress, listenAt } from './listener-address.ts';
import { buildInspection } from './listener-filters.ts';
import { portRouteName, serviceRouteName, workloadRouteName } from './virtual-hosts.ts';

/** What is known of a listener until all services have been seen. */
interface PlannedListener {
  readonly address: string;
  readonly port: number;
  readonly claimed: ClaimedConnections;
  readonly chains: L4Chain[];
}

/** The connections at one address and port that are one service's. */
interface Claim {
  readonly address: string;
  readonly number: number;
  readonly service: Service;
  readonly port: ServicePort;
  /** Blocks of addresses on a listener for all; default none. */
  readonly subnets?: readonly string[];
  readonly isOfWorkload?: boolean;
}

export class ListenerPlanner {
  readonly #config: PushConfig;
  readonly #client: Client;
  readonly #reports: ListenerReports;
  readonly #planned = new Map<string, PlannedListener>();
  /** Addresses of services with declared HTTP, by port. */
  readonly #httpAddresses = new Map<number, Set<string>>();

  constructor(config: PushConfig, client: Client, reports: ListenerReports) {
    this.#config = config;
    this.#client = client;
    this.#reports = reports;
  }

  add(service: Service, port: ServicePort): void {
    const addresses = addressesOf(service, this.#config);
    const sole = addresses.flatMap((address) => soleAddressOf(address) ?? []);
    if (interceptedProtocol(port) === 'HTTP') return this.addHttp(port.number, sole);
    for (const address of sole) this.#addChains({ address, number: port.number, service, port });
    const blocks = addresses.filter((address) => soleAddressOf(address) === undefined);
    if (blocks.length > 0 || isFoundAnywhere(service, port)) {
      this.#addChains({ address: anyAddress, number: port.number, service, port, subnets: blocks });
    }
  }

  /** `number`: where the workload serves `port` of the service. */
  addWorkload(
    workload: { readonly address: string; readonly port: number },
    service: Service,
    port: ServicePort,
  ): void {
    this.#addChains({ address: workload.address, number: workload.port, service, port, isOfWorkload: true });
  }

  /** `addresses`: where connections are HTTP, whatever they begin with. */
  addHttp(port: number, addresses: readonly string[] = []): void {
    const known = this.#httpAddresses.get(port);
    if (known === undefined) this.#httpAddresses.set(port, new Set(addresses));
    else for (const address of addresses) known.add(address);
  }

  /** `others`: for connections that nobody declared. */
  listeners(others: Filter): Listener[] {
    for (const [port, addresses] of this.#httpAddresses) this.#addHttpChains(port, addresses);
    return [...this.#planned]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, planned]) => buildListener(name, planned, others));
  }

  #addChains({ address, number, service, port, subnets = [], isOfWorkload = false }: Claim): void {
    const isShared = address === anyAddress;
    const context = { config: this.#config, client: this.#client, service, port, subnets, isShared, isOfWorkload };
    const chains = buildL4Chains({ ...context, ...connectionReports(this.#reports) });
    const isSniffed = interceptedProtocol(port) === 'UNSUPPORTED';
    const routeName = isShared
      ? portRouteName(port.number)
      : (isOfWorkload ? workloadRouteName : serviceRouteName)(service.hostname, port.number);
    const manager = isSniffed ? this.#manager(`${address}_${number}`, routeName) : undefined;
    const planned = this.#at(address, number);
    for (const chain of chains) {
      // A block counts more than a protocol: HTTP to it needs a chain of its own.
      if (manager !== undefined) addChain(planned, { match: httpOnly(chain.match), filter: manager });
      const matches = manager === undefined ? [chain.match] : besideHttp(chain.match);
      for (const match of matches) addChain(planned, { ...chain, match });
    }
  }

  /**
   * By what connections begin with, since any address may be meant; and by the addresses of services, where they are HTTP
   * even when their client says nothing for longer than an inspection lasts. The range of allotted addresses stands for all
   * of them, so that one more changes nothing here.
   */
  #addHttpChains(port: number, addresses: ReadonlySet<string>): void {
    const planned = this.#at(anyAddress, port);
    const filter = this.#manager(`${anyAddress}_${port}`, portRouteName(port));
    const allotted = `${allottedRange.prefix}/${allottedRange.length}`;
    const declared = [...addresses].filter((address) => !isAllotted(address));
    addChain(planned, { match: toSubnets([allotted, ...declared]), filter });
    addChain(planned, { match: httpOnly({}), filter });
  }

  #manager(listenerName: string, routeName: string): Filter {
    const rds = { config_source: adsConfigSource, route_config_name: routeName };
    return buildHttpConnectionManager({ ...this.#reports, stat_prefix: `outbound_${listenerName}`, rds }, 'OUTBOUND');
  }

  #at(address: string, port: number): PlannedListener {
    const name = `${address}_${port}`;
    const known = this.#planned.get(name);
    if (known !== undefined) return known;
    const planned = { address, port, claimed: new ClaimedConnections(), chains: [] };
    this.#planned.set(name, planned);
    return planned;
  }
}

/**
 * Without an address of its own a service is told by SNI, so that it needs no resolver that knows an allotted one; without
 * SNI only one that lets connections go where they want has something to take.
 */
function isFoundAnywhere(service: Service, port: ServicePort): boolean {
  const { addresses = [] } = service;
  return addresses.length === 0 && (followsRequests(service) || interceptedProtocol(port) === 'TLS');
}

function isAllotted(address: string): boolean {
  return address.startsWith(allottedRange.prefix.slice(0, -'0.0'.length));
}

/** Of two services whose connections look the same the first takes them. */
function addChain({ claimed, chains }: PlannedListener, { match, filter }: L4Chain): void {
  for (const free of claimed.claim(match)) chains.push({ match: free, filter });
}

function buildListener(name: string, { address, port, chains }: PlannedListener, others: Filter): Listener {
  const matching = chains.filter(({ match }) => !isMatchAll(match));
  const matchAll = chains.find(({ match }) => isMatchAll(match));
  const filter_chains = matching.map(({ match, filter }) => ({ filter_chain_match: match, filters: [filter] }));
  const rest =
    matchAll === undefined ? { name: 'PassthroughFilterChain', filters: [others] } : { filters: [matchAll.filter] };
  return {
    name,
    ...listenAt(address, port),
    traffic_direction: 'OUTBOUND',
    bind_to_port: false,
    ...(matching.length === 0 ? { filter_chains: [rest] } : { filter_chains, default_filter_chain: rest }),
    ...buildInspection({ chains: filter_chains }),
  };
}
