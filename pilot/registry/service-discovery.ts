/** Builds the push context from all that is registered: users' resources and the workloads of connected sidecars. */
import { authorizationProviders } from '../../crds/authorization-provider.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { Resource } from '../../crds/resource.ts';
import { type Canary, overlayOf, routingKey } from '../model/canaries.ts';
import { type CheckRule, type ListValues, noListValues, resolveCheckRules } from '../model/check-rules.ts';
import { type Credentials, noCredentials } from '../model/credentials.ts';
import { DestinationRules } from '../model/destination-rules.ts';
import { type Gateway, Gateways } from '../model/gateways.ts';
import type { DestinationRule } from '../model/namespace-rules.ts';
import { findAddressedWorkloads, type PushConfig, type PushContext } from '../model/push-context.ts';
import { clusterHostname, protocolOf, type Service } from '../model/service.ts';
import { Services } from '../model/services.ts';
import { allotAddresses } from '../model/service-addresses.ts';
import { type Sidecar, Sidecars } from '../model/sidecars.ts';
import { type VirtualService, VirtualServices } from '../model/virtual-services.ts';
import { indexRateLimits, type RateLimit } from '../model/rate-limits.ts';
import { Telemetries, type Telemetry } from '../model/telemetries.ts';
import type { Workload } from '../model/workload.ts';
import { servicesOf, workloadsOf } from './service-resources.ts';
import { WorkloadIndex } from './workload-index.ts';

export interface DiscoveryInput {
  /** Of the config store; equal revisions mean equal resources. */
  readonly revision: number;
  /** Oldest first. */
  readonly resources: readonly Resource[];
  /** Registered by sidecars. */
  readonly workloads: readonly Workload[];
  /** Of the process: the same at every call; default nothing set. */
  readonly meshConfig?: MeshConfig;
  /** Equal identities mean equal contents; default none. */
  readonly credentials?: Credentials;
  /** Default nothing is read. */
  readonly lists?: ListValues;
}

const noMeshConfig: MeshConfig = {};

/** A push context, with the input that its config was built from. */
export interface Discovered extends PushContext {
  readonly revision: number;
  readonly resources: readonly Resource[];
  readonly implicitServices: readonly Service[];
}

/** Pure. Parts that did not change since `previous` keep their identity. */
export function discover(input: DiscoveryInput, previous?: Discovered): Discovered {
  const declared = new Map<string, Service>();
  for (const service of declaredServices(input.resources)) {
    if (!declared.has(service.hostname)) declared.set(service.hostname, service);
  }
  const implicitServices = findImplicitServices(input.workloads, declared);
  const isConfigKept =
    previous !== undefined &&
    (previous.revision === input.revision || isSameConfig(previous.resources, input.resources)) &&
    previous.config.credentials === (input.credentials ?? noCredentials) &&
    JSON.stringify(previous.implicitServices) === JSON.stringify(implicitServices);
  const services = [...declared.values(), ...implicitServices];
  const config = isConfigKept ? previous.config : buildConfig(input, services, previous?.config);
  const everyone = [...input.workloads, ...input.resources.flatMap((resource) => workloadsOf(resource, null))];
  const index = new WorkloadIndex(everyone);
  const workloads = new Map<string, readonly Workload[]>();
  for (const service of config.services.all) {
    const { hostname } = service;
    workloads.set(hostname, keepIdentity(index.workloadsOf(service), previous?.workloads.get(hostname)));
  }
  const checks = resolveCheckRules(
    {
      resources: ofKind(input.resources, 'CheckRule') as CheckRule[],
      workloads: everyone,
      instances: workloads,
      lists: input.lists ?? noListValues,
      providers: authorizationProviders(input.meshConfig ?? noMeshConfig).map(({ name }) => name),
    },
    previous?.checks,
  );
  const addressed = findAddressedWorkloads(config.services, workloads, previous?.addressed);
  const { revision, resources } = input;
  return { config, checks, workloads, addressed, revision, resources, implicitServices };
}

/** Evidence of a release is written every other second: only what it routes is configuration. */
function isSameConfig(before: readonly Resource[], after: readonly Resource[]): boolean {
  return before.length === after.length && after.every((resource, i) => isSameResource(before[i], resource));
}

function isSameResource(before: Resource | undefined, after: Resource): boolean {
  if (before === after) return true;
  if (before?.kind !== 'Canary' || after.kind !== 'Canary') return false;
  const isSameSpec =
    before.metadata.uid === after.metadata.uid && before.metadata.generation === after.metadata.generation;
  return isSameSpec && routingKey(before as Canary) === routingKey(after as Canary);
}

/** Of two services with one hostname the first counts: a Service before a ServiceEntry, then the older one. */
function declaredServices(resources: readonly Resource[]): Service[] {
  return ['Service', 'ServiceEntry'].flatMap((kind) =>
    resources.filter((resource) => resource.kind === kind).flatMap((resource) => servicesOf(resource, null)),
  );
}

/**
 * A service that workloads name and nobody declared has one HTTP port, 80, and the ports that intercepted workloads list.
 * Which version of HTTP its main port is spoken to in is what the first workload says that says anything. Sorted by
 * hostname.
 */
function findImplicitServices(workloads: readonly Workload[], declared: ReadonlyMap<string, Service>): Service[] {
  const found = new Map<string, [Workload, ...Workload[]]>();
  for (const workload of workloads) {
    const { service, namespace, ports } = workload;
    const hostname = clusterHostname(service, namespace);
    if (service === '' || declared.has(hostname)) continue;
    // An application without ports calls others and serves nobody.
    if (ports.kind === 'intercepted' && ports.appPorts.length === 0) continue;
    const known = found.get(hostname);
    if (known === undefined) found.set(hostname, [workload]);
    else known.push(workload);
  }
  return [...found].map(([hostname, members]) => implicitService(hostname, members)).sort(byHostname);
}

function implicitService(hostname: string, workloads: readonly [Workload, ...Workload[]]): Service {
  const [{ service, namespace }] = workloads;
  const listed = workloads.flatMap(({ ports }) => (ports.kind === 'intercepted' ? ports.appPorts : []));
  // The first of several ports is the application's main one.
  const targetPort = listed.includes(80) ? 80 : (listed[0] ?? 80);
  const others = [...new Set(listed)].filter((port) => port !== 80).sort((a, b) => a - b);
  const own = workloads.find((workload) => workload.protocol !== undefined)?.protocol;
  const main = own === undefined ? undefined : { name: own, protocol: protocolOf(own) };
  const undeclared = { name: '', protocol: 'UNSUPPORTED' } as const;
  return {
    hostname,
    name: service,
    namespace,
    ports: [
      { number: 80, targetPort, ...(main ?? { name: 'http', protocol: 'HTTP', isImplicit: true }) },
      ...others.map((number) => {
        return { number, targetPort: number, ...(number === targetPort && main !== undefined ? main : undeclared) };
      }),
    ],
    isMeshExternal: false,
    selector: undefined,
    endpoints: [],
  };
}

function buildConfig(
  { resources, meshConfig = noMeshConfig, credentials = noCredentials }: DiscoveryInput,
  services: Service[],
  previous: PushConfig | undefined,
): PushConfig {
  const all = (kind: string): Resource[] => ofKind(resources, kind);
  return {
    allottedAddresses: allotAddresses(byAge(services, resources)),
    services: new Services(services.sort(byHostname)),
    virtualServices: new VirtualServices(
      all('VirtualService') as VirtualService[],
      overlayOf(all('Canary') as Canary[], all('DestinationRule')),
    ),
    destinationRules: new DestinationRules(all('DestinationRule') as DestinationRule[], meshConfig),
    gateways: new Gateways(all('Gateway') as Gateway[]),
    credentials,
    sidecars: new Sidecars(all('Sidecar') as Sidecar[]),
    rateLimits: indexRateLimits(all('RateLimit') as RateLimit[]),
    telemetries: buildTelemetries(all('Telemetry') as Telemetry[], meshConfig, previous?.telemetries),
    meshConfig,
  };
}

function ofKind(resources: readonly Resource[], kind: string): Resource[] {
  return resources.filter((resource) => resource.kind === kind);
}

/** As they were declared, whatever their kind; those that only workloads name come last. */
function byAge(services: readonly Service[], resources: readonly Resource[]): Service[] {
  const known = new Set(services);
  const declared = resources.flatMap((resource) => servicesOf(resource, null)).filter((service) => known.has(service));
  return [...declared, ...services];
}

function buildTelemetries(
  resources: readonly Telemetry[],
  meshConfig: MeshConfig,
  previous: Telemetries | undefined,
): Telemetries {
  const isKept = previous?.meshConfig === meshConfig && keepIdentity(resources, previous.resources) !== resources;
  return isKept ? previous : new Telemetries(resources, meshConfig);
}

function keepIdentity<T>(now: readonly T[], before: readonly T[] | undefined): readonly T[] {
  const isSame = before?.length === now.length && now.every((item, i) => item === before[i]);
  return isSame ? before : now;
}

function byHostname(a: Service, b: Service): number {
  return a.hostname < b.hostname ? -1 : 1;
}
