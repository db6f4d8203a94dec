/** Push context: one immutable snapshot of all that is known, from which every sidecar's configuration is translated. */
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { CheckRules } from './check-rules.ts';
import type { Credentials } from './credentials.ts';
import type { DestinationRules } from './destination-rules.ts';
import type { Gateways } from './gateways.ts';
import type { RateLimits } from './rate-limits.ts';
import { isHeadless, type Service, workloadPorts } from './service.ts';
import type { Services } from './services.ts';
import type { Sidecars } from './sidecars.ts';
import type { Telemetries } from './telemetries.ts';
import type { VirtualServices } from './virtual-services.ts';
import type { Workload } from './workload.ts';

export interface PushContext {
  readonly config: PushConfig;
  /** Keeps its identity while nothing in it changes, the addresses of the workloads that it names included. */
  readonly checks: CheckRules;
  /** By the service's hostname, sorted by namespace and name. A list keeps its identity while nothing in it changes. */
  readonly workloads: ReadonlyMap<string, readonly Workload[]>;
  /**
   * Of `workloads` those of services that are reached at their workloads' own addresses: listeners of intercepted
   * connections and answers to DNS queries are made of them. Keeps its identity while nothing in it changes.
   */
  readonly addressed: AddressedWorkloads;
}

export type AddressedWorkloads = ReadonlyMap<string, readonly Workload[]>;

/** `previous` where nothing has changed. */
export function findAddressedWorkloads(
  services: Services,
  workloads: PushContext['workloads'],
  previous: AddressedWorkloads = new Map(),
): AddressedWorkloads {
  const found = services.all
    .filter((service) => isHeadless(service) || workloadPorts(service).length > 0)
    .map(({ hostname }) => [hostname, workloads.get(hostname) ?? []] as const);
  const isSame = found.length === previous.size && found.every(([name, members]) => previous.get(name) === members);
  return isSame ? previous : new Map(found);
}

/** What clusters, listeners and routes are made of. Keeps its identity while only workloads come and go. */
export interface PushConfig {
  readonly services: Services;
  /** By hostname, of services that nobody gave an address. */
  readonly allottedAddresses: ReadonlyMap<string, string>;
  readonly virtualServices: VirtualServices;
  readonly destinationRules: DestinationRules;
  readonly rateLimits: RateLimits;
  readonly sidecars: Sidecars;
  readonly gateways: Gateways;
  /** What Gateways name by `credentialName`. */
  readonly credentials: Credentials;
  /** What listeners are made of. Keeps its identity while no Telemetry changes. */
  readonly telemetries: Telemetries;
  readonly meshConfig: MeshConfig;
}

/** Where a service is reached: IP addresses and CIDR blocks; none for one that has only its endpoints' own. */
export function addressesOf({ hostname, addresses }: Service, { allottedAddresses }: PushConfig): readonly string[] {
  if (addresses !== undefined) return addresses;
  const allotted = allottedAddresses.get(hostname);
  return allotted === undefined ? [] : [allotted];
}

/** What a push has to look at, found by comparing two snapshots. */
export interface ContextDifference {
  readonly isConfigChanged: boolean;
  /** Workloads that are reached at their own addresses came or went. */
  readonly areAddressesChanged: boolean;
  /** Services whose workloads differ. */
  readonly hostnames: readonly string[];
}

export function compareContexts(before: PushContext, after: PushContext): ContextDifference {
  const hostnames = new Set([...before.workloads.keys(), ...after.workloads.keys()]);
  return {
    isConfigChanged: before.config !== after.config || before.checks !== after.checks,
    areAddressesChanged: before.addressed !== after.addressed,
    hostnames: [...hostnames].filter((hostname) => before.workloads.get(hostname) !== after.workloads.get(hostname)),
  };
}
